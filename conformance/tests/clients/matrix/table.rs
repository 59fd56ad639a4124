// SPDX-License-Identifier: MIT
//! The clients: each row makes a test for every kind of slot.

use super::slot::Kind;
use super::{Cannot, Client, GO, PYTHON, Proof, SOMEBODY, check};

/// A module for each row, with a test for each kind of slot.
macro_rules! clients {
    (everywhere { $($client:ident: $row:expr;)* } vendor { $($tested:ident: $tested_row:expr;)* }) => {
        /// Every row.
        pub const CLIENTS: &[&Client] = &[$(&$tested::CLIENT,)* $(&$client::CLIENT),*];
        $(
            mod $tested {
                use super::*;
                pub const CLIENT: Client = $tested_row;
                clients!(@test does_on_a_slot_before_another_module_as_the_matrix_says, $tested, Vendor);
            }
        )*
        $(
            mod $client {
                use super::*;
                pub const CLIENT: Client = $row;
                clients!(@test does_on_a_soft_slot_as_the_matrix_says, $client, Soft);
                clients!(@test does_with_keys_in_aws_as_the_matrix_says, $client, Aws);
                clients!(@test does_on_a_slot_before_another_module_as_the_matrix_says, $client, Vendor);
            }
        )*
    };
    (@test $name:ident, $client:ident, $kind:ident) => {
        #[test]
        fn $name() {
            let test = concat!("matrix::table::", stringify!($client), "::", stringify!($name));
            check(test, &CLIENT, Kind::$kind);
        }
    };
}

const NSS: &[&str] = &["certutil", "modutil"];
const OPENSSH: &[&str] = &["ssh-keygen", "ssh-agent", "ssh-add"];

/// A row without limits.
const fn client(
    name: &'static str,
    page: &'static str,
    script: &'static str,
    needs: &'static [&'static str],
) -> Client {
    Client {
        name,
        page,
        script,
        needs,
        cannot: &[],
    }
}

clients! {
    everywhere {
        p11_kit: client("p11-kit: list, proxy, remote, server", "gnutls.md#p11-kit", "p11-kit",
            &["p11-kit", "/usr/lib/*/pkcs11/p11-kit-client.so", SOMEBODY]);
        p11tool: client("`p11tool`", "gnutls.md#p11tool-and-certtool", "p11tool", &["p11tool"]);
        certtool: client("`certtool`", "gnutls.md#p11tool-and-certtool", "certtool", &["certtool"]);
        gnutls_serv: client("GnuTLS server and client", "gnutls.md#a-tls-server-and-a-client", "gnutls-serv",
            &["gnutls-serv", "gnutls-cli"]);
        modutil: client("NSS `modutil`", "nss.md#the-module", "modutil", NSS);
        certutil_rsa: client("NSS `certutil`, RSA", "nss.md#keys-and-certificates", "certutil-rsa", NSS);
        certutil_ec: client("NSS `certutil`, EC", "nss.md#keys-and-certificates", "certutil-ec", NSS);
        certutil_pss: client("NSS `certutil`, RSA-PSS", "nss.md#keys-and-certificates", "certutil-pss", NSS);
        cmsutil_sign: client("NSS `cmsutil`, signing", "nss.md#messages", "cmsutil-sign", &["certutil", "modutil", "cmsutil"]);
        cmsutil_open: Client {
            cannot: &[Cannot {
                on: Kind::Aws,
                why: "The message's key is encrypted with RSA PKCS #1 v1.5, which AWS does not decrypt.",
                shows: "cmsutil: problem decoding",
                proof: Proof::Said("AWS does not decrypt PKCS #1 v1.5"),
            }],
            ..client("NSS `cmsutil`, opening", "nss.md#messages", "cmsutil-open", &["certutil", "modutil", "cmsutil"])
        };
        pk12util: Client {
            cannot: &[Cannot {
                on: Kind::Aws,
                why: "A slot of a service takes no private keys from a file: they are made at the service.",
                shows: "CKM_AES_CBC_PAD is not offered so by a slot of this service",
                proof: Proof::Said("takes no keys from elsewhere: `CKR_MECHANISM_INVALID`"),
            }],
            ..client("NSS `pk12util`", "nss.md#keys-from-a-file", "pk12util", &["certutil", "modutil", "pk12util"])
        };
        nss_server: client("NSS TLS server", "nss.md#a-tls-server", "nss-server", &["certutil", "modutil", "selfserv"]);
        openssh: client("OpenSSH: keys, agent, signature, certificate", "openssh.md", "openssh", OPENSSH);
        openssh_login: client("OpenSSH: login", "openssh.md#login", "openssh-login",
            &["ssh-keygen", "ssh-agent", "ssh-add", "ssh", "/usr/*/sshd"]);
        nginx: client("nginx", "openssl.md#nginx", "nginx", &["nginx"]);
        apache: client("Apache, prefork", "openssl.md#apache", "apache", &["/usr/*/apache2", "pgrep", SOMEBODY]);
        stunnel: client("stunnel", "openssl.md#stunnel", "stunnel", &["stunnel4"]);
        curl: client("`curl` with a client certificate", "openssl.md#curl", "curl", &["curl"]);
        osslsigncode: client("`osslsigncode`", "openssl.md#osslsigncode", "osslsigncode", &["osslsigncode", "mcs"]);
        python_pkcs11: client("Python: python-pkcs11", "languages.md#python", "python-pkcs11", &[PYTHON]);
        pykcs11: client("Python: PyKCS11", "languages.md#python", "pykcs11", &[PYTHON]);
        go_crypto11: client("Go: crypto11", "languages.md#go", "go-crypto11", &["go", GO]);
        cryptoki_crate: client("Rust: cryptoki", "languages.md#rust", "cryptoki-crate", &[]);
        dotnet: client(".NET (Mono)", "languages.md#net", "dotnet",
            &["mcs", "mono", "/usr/lib/mono/*/System.Numerics.dll"]);
        java_tls: client("Java: TLS server and client", "languages.md#java", "java-tls", &["java"]);
    }
    // These have tests of their own for the soft slot, and for AWS KMS with keys that the service's API made.
    vendor {
        pkcs11_tool: Client {
            cannot: &[Cannot {
                on: Kind::Vendor,
                why: "SoftHSM2 decrypts OAEP with SHA-1 only.",
                shows: "PKCS11 function C_DecryptInit failed: rv = CKR_ARGUMENTS_BAD",
                proof: Proof::SameOn(Kind::SoftHsm2),
            }],
            ..client("`pkcs11-tool`: everything it can", "../clients.md#before-you-start", "../pkcs11-tool", &[])
        };
        openssl_engine: client("OpenSSL: requests, certificates, CMS", "openssl.md", "../openssl-engine", &[]);
        java_key_store: Client {
            cannot: &[Cannot {
                on: Kind::Vendor,
                why: "SoftHSM2 does not copy a digest that has begun, as Java's `MessageDigest.clone` wants; the rest works.",
                shows: "java.lang.CloneNotSupportedException: SHA-256",
                proof: Proof::SameOn(Kind::SoftHsm2),
            }],
            ..client("Java: `keytool`, `jarsigner`, key store", "../clients.md#before-you-start", "../java",
                &["keytool", "jarsigner", "java", "jar"])
        };
    }
}
