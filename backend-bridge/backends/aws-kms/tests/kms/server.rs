// SPDX-License-Identifier: MIT
//! A server that answers each request with what a test says: well-formed, wrong, or not at all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What the client wants.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    /// Without the service's name.
    pub operation: String,
    /// The access key that signed it, and for which region.
    pub signer: String,
    pub region: String,
}

/// What it gets.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A JSON body.
    Json(u16, Value),
    /// Any body, and headers.
    Raw(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    /// So many bytes of the body are announced, and these come.
    Cut(usize, Vec<u8>),
    /// The connection is closed.
    Close,
}

impl Answer {
    /// An error as AWS writes it.
    pub fn error(code: &str, message: &str) -> Self {
        Self::Json(400, json!({ "__type": code, "message": message }))
    }
}

pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers until the process ends.
    pub fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                std::thread::spawn(move || serve(&connection.unwrap(), &*answer, &seen));
            }
        });
        Self { url, asked }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The names of what was asked so far.
    pub fn operations(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.operation).collect()
    }
}

fn serve(connection: &TcpStream, answer: &dyn Fn(&Asked) -> Answer, seen: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(connection);
    while let Some(asked) = read(&mut reader) {
        seen.lock().unwrap().push(asked.clone());
        let (status, headers, announced, body) = match answer(&asked) {
            Answer::Json(status, body) => {
                let body = body.to_string().into_bytes();
                (status, Vec::new(), body.len(), body)
            }
            Answer::Raw(status, headers, body) => (status, headers, body.len(), body),
            Answer::Cut(announced, body) => (200, Vec::new(), announced, body),
            Answer::Close => return,
        };
        let is_cut = announced != body.len();
        let mut head =
            format!("HTTP/1.1 {status} X\r\nx-amzn-RequestId: request-1\r\nContent-Length: {announced}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut writer = connection;
        let written = writer
            .write_all(head.as_bytes())
            .and_then(|()| writer.write_all(b"\r\n"))
            .and_then(|()| writer.write_all(&body));
        if written.is_err() || is_cut {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let first = line(reader)?;
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line(reader)?.split_once(": ") {
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let header = |name| headers.get(name).map_or("", String::as_str);
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let signed = header("authorization").split_once("Credential=");
    let mut scope = signed.map_or("", |(_, scope)| scope).split('/');
    Some(Asked {
        line: first.rsplit_once(' ')?.0.to_owned(),
        operation: header("x-amz-target")
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned(),
        signer: scope.next().unwrap_or_default().to_owned(),
        region: scope.nth(1).unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        headers,
    })
}

/// The next line, without its end.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
