# pkcs11-tool --test-fork: initialises, forks, and asks in the child.
pkcs11-tool --module "$MODULE" --init-token --slot-index 0 --label client --so-pin "$SO_PIN"
pkcs11-tool --module "$MODULE" --init-pin --login --login-type so --so-pin "$SO_PIN" --pin "$PIN"
pkcs11-tool --module "$MODULE" --login --pin "$PIN" --test-fork
