// SPDX-License-Identifier: MIT
// Makes a key pair at the service and loses sight of the public key, which Java then destroys as if it were the
// session's: the private key must go on signing. Arguments: the provider's configuration file, the PIN.

import java.security.*;

public class GenerateProgram {
    public static void main(String[] arguments) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, arguments[1].toCharArray());
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", provider);
        generator.initialize(256);
        KeyPair pair = generator.generateKeyPair();
        PublicKey known = (PublicKey) KeyFactory.getInstance("EC", "SunEC").translateKey(pair.getPublic());
        PrivateKey key = pair.getPrivate();
        pair = null;
        for (int round = 0; round < 5; round++) {
            System.gc();
            // Java destroys what was collected when it next makes or uses an object.
            generator = KeyPairGenerator.getInstance("EC", provider);
            Signature signer = Signature.getInstance("SHA256withECDSA", provider);
            signer.initSign(key);
            signer.update(new byte[round]);
            byte[] signature = signer.sign();
            Signature verifier = Signature.getInstance("SHA256withECDSA", "SunEC");
            verifier.initVerify(known);
            verifier.update(new byte[round]);
            if (!verifier.verify(signature)) {
                throw new IllegalStateException("a signature failed");
            }
        }
        System.out.println("the key goes on signing");
    }
}
