// SPDX-License-Identifier: MIT
//! The clients: each row makes a test for every kind of slot.

use super::slot::Kind;
use super::{Cannot, Client, GO, PYTHON, SOMEBODY, check};

/// A module for each row, with a test for each kind of slot.
macro_rules! clients {
    ($($client:ident: $row:expr;)*) => {
        /// Every row.
        pub const CLIENTS: &[&Client] = &[$(&$client::CLIENT),*];
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
            said: "AWS does not decrypt PKCS #1 v1.5",
        }],
        ..client("NSS `cmsutil`, opening", "nss.md#messages", "cmsutil-open", &["certutil", "modutil", "cmsutil"])
    };
    pk12util: Client {
        cannot: &[Cannot {
            on: Kind::Aws,
            why: "A slot of a service takes no private keys from a file: they are made at the service.",
            shows: "this slot's own store keeps no private or secret keys",
            said: "tries to import them: `CKR_TEMPLATE_INCONSISTENT`",
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
