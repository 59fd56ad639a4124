// SPDX-License-Identifier: MIT
//! The way to the service: names, ports, proxies, certificates.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::CheckHealth;
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_conformance::case::{in_own_process, needing};
use serde_json::json;

use crate::server::{Answer, Server};
use crate::{asked, at_home, backend, options};

#[test]
fn what_cannot_be_reached_was_never_sent() {
    in_own_process(|| {
        at_home(async {
            // The port was free a moment ago.
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            for endpoint in [
                format!("http://127.0.0.1:{port}"),
                "http://kms.invalid".to_owned(),
            ] {
                let error = asked(&backend(&endpoint), CheckHealth).await.unwrap_err();
                assert_eq!(
                    (error.kind(), error.sent()),
                    (ErrorKind::Unavailable, Sent::No),
                    "{error}"
                );
            }
        })
    });
}

#[test]
fn a_proxy_is_used_for_the_service_and_not_for_this_machine() {
    in_own_process(|| {
        at_home(async {
            let served = || Server::new(|_| Answer::Json(200, json!({ "Keys": [], "Truncated": false })));
            let (proxy, local) = (served(), served());
            let through = |endpoint: &str| {
                AwsKms::new(AwsOptions {
                    proxy: Some(proxy.url.clone()),
                    ..options(endpoint)
                })
            };
            asked(&through("http://kms.invalid"), CheckHealth).await.unwrap();
            assert_eq!((proxy.operations().len(), local.operations().len()), (1, 0));
            asked(&through(&local.url), CheckHealth).await.unwrap();
            assert_eq!((proxy.operations().len(), local.operations().len()), (1, 1));
        })
    });
}

/// An HTTPS server with a certificate of its own; it ends with the value.
struct Https {
    child: Child,
    url: String,
    authority: PathBuf,
}

const SERVE: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"Keys":[],"Truncated":false}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

impl Https {
    fn new(directory: &Path) -> Self {
        let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let openssl = |arguments: &str| {
            let arguments = arguments.replace("DIR", directory.to_str().unwrap());
            let mut command = Command::new("openssl");
            let status = command.args(arguments.split(' ')).stderr(Stdio::null()).status();
            assert!(status.unwrap().success(), "{arguments}");
        };
        std::fs::write(file("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout DIR/ca.key -out DIR/authority.pem",
        );
        openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout DIR/server.key -out DIR/server.csr",
        );
        openssl(
            "x509 -req -in DIR/server.csr -CA DIR/authority.pem -CAkey DIR/ca.key -CAcreateserial -days 2 -extfile DIR/names -out DIR/server.pem",
        );
        let mut command = Command::new("python3");
        command
            .args(["-c", SERVE, &file("server.pem"), &file("server.key")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Self {
            child,
            url: format!("https://127.0.0.1:{}", port.trim()),
            authority: directory.join("authority.pem"),
        }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_certificate_is_accepted_from_the_configured_authority_alone() {
    needing(&["openssl", "python3"], || {
        in_own_process(|| {
            at_home(async {
                let directory = tempfile::tempdir().unwrap();
                let server = Https::new(directory.path());
                let file = directory.path().join("ca.pem");
                let with = |authority: Option<&Path>| {
                    AwsKms::new(AwsOptions {
                        ca_file: authority.map(Path::to_owned),
                        ..options(&server.url)
                    })
                };
                {
                    asked(&with(Some(&server.authority)), CheckHealth).await.unwrap();
                    let error = asked(&with(None), CheckHealth).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
                    assert!(error.to_string().contains("certificate"), "{error}");
                    // What is no authority is told before anything is sent, and read again once it is one.
                    let kms = with(Some(&file));
                    for content in [
                        "",
                        "no PEM",
                        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                    ] {
                        std::fs::write(&file, content).unwrap();
                        let error = asked(&kms, CheckHealth).await.unwrap_err();
                        assert_eq!(
                            (error.kind(), error.sent()),
                            (ErrorKind::Configuration, Sent::No),
                            "{error:?}"
                        );
                        assert!(error.to_string().contains("`ca_file`"), "{error}");
                    }
                    std::fs::copy(&server.authority, &file).unwrap();
                    asked(&kms, CheckHealth).await.unwrap();
                }
            })
        });
    });
}
