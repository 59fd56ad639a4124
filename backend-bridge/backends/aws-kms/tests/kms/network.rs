// SPDX-License-Identifier: MIT
//! The way to the service: names, ports, proxies, certificates.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyenclave_aws_kms::{AwsKms, AwsOptions};
use keyenclave_bridge::call::CheckHealth;
use keyenclave_bridge::error::{ErrorKind, Sent};
use keyenclave_conformance::case::{as_part, finish, in_own_process, needing, part};
use serde_json::json;

use crate::server::{Answer, Server};
use crate::{asked, at_home, backend, options, run, write_home};

/// For a program of a test.
const LIMIT: Duration = Duration::from_secs(60);

/// A service, or a proxy, that knows of no keys.
fn empty() -> Server {
    Server::new(|_| Answer::Json(200, json!({ "Keys": [], "Truncated": false })))
}

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
            let (proxy, local) = (empty(), empty());
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

/// Runs this case's program, with this environment.
fn program(environment: &[(&str, &str)]) {
    let mut program = as_part("program");
    program.envs(environment.iter().copied());
    finish(program, LIMIT).unwrap_or_else(|output| panic!("{output}"));
}

#[test]
fn a_proxy_of_the_environment_is_not_used_for_this_machine_either() {
    in_own_process(|| {
        at_home(async {
            if part().is_some() {
                let endpoint = std::env::var("TEST_ENDPOINT").unwrap();
                return asked(&backend(&endpoint), CheckHealth).await.map(drop).unwrap();
            }
            let (proxy, local) = (empty(), empty());
            // What the environment exempts is exempted too.
            for (endpoint, exempt, through) in [
                ("http://kms.invalid", "elsewhere.example", 1),
                (&local.url, "elsewhere.example", 0),
                (&local.url.replace("127.0.0.1", "localhost"), "", 0),
            ] {
                let before = (proxy.operations().len(), local.operations().len());
                program(&[
                    ("TEST_ENDPOINT", endpoint),
                    ("HTTP_PROXY", &proxy.url),
                    ("NO_PROXY", exempt),
                ]);
                let after = (proxy.operations().len(), local.operations().len());
                assert_eq!(
                    (after.0 - before.0, after.1 - before.1),
                    (through, 1 - through),
                    "{endpoint}"
                );
            }
        })
    });
}

#[test]
fn where_tls_is_required_no_source_of_an_address_can_leave_it_out() {
    in_own_process(|| {
        at_home(async {});
        let tls_only = || AwsOptions {
            region: Some("eu-central-1".to_owned()),
            tls_only: true,
            ..AwsOptions::default()
        };
        if part().is_some() {
            let origin = std::env::var("TEST_ORIGIN").unwrap();
            return run(async {
                let outcome = asked(&AwsKms::new(tls_only()), CheckHealth).await;
                if origin.is_empty() {
                    return outcome.map(drop).unwrap();
                }
                let error = outcome.unwrap_err();
                assert_eq!(
                    (error.kind(), error.sent()),
                    (ErrorKind::Configuration, Sent::No),
                    "{error}"
                );
                assert!(error.to_string().contains(&origin), "{origin}: {error}");
            });
        }
        let (proxy, local) = (empty(), empty());
        let exposed = "http://kms.invalid";
        let with = |origin: &str, name: &str, url: &str| {
            program(&[("TEST_ORIGIN", origin), ("HTTP_PROXY", &proxy.url), (name, url)]);
        };
        for name in ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"] {
            with(&format!("variable {name},"), name, exposed);
            with("", name, &local.url);
        }
        for config in [
            format!("[default]\nendpoint_url = {exposed}\n"),
            format!("[default]\nservices = s\n[services s]\nkms =\n  endpoint_url = {exposed}\n"),
        ] {
            write_home("config", &config);
            with("the profile's `endpoint_url`", "TEST_OTHER", "");
            // The variable comes before the profile, and is what counts.
            with("", "AWS_ENDPOINT_URL_KMS", &local.url);
        }
        run(async {
            let options = AwsOptions {
                endpoint: Some(exposed.to_owned()),
                ..tls_only()
            };
            let error = asked(&AwsKms::new(options), CheckHealth).await.unwrap_err();
            assert!(
                error.kind() == ErrorKind::Configuration && error.to_string().contains("`endpoint`"),
                "{error}"
            );
        });
        assert_eq!((proxy.operations().len(), local.operations().len()), (0, 4));
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
