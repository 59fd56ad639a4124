// SPDX-License-Identifier: MIT
//! A server that answers each request with what a test says: well-formed, wrong, or not at all.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What the client wants.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Without the service's name.
    pub operation: String,
    pub body: Value,
    /// The access key that signed it.
    pub signer: String,
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
    let (mut operation, mut signer, mut length) = (String::new(), String::new(), 0);
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-amz-target" => value.rsplit('.').next()?.clone_into(&mut operation),
            "authorization" => {
                value
                    .split_once("Credential=")?
                    .1
                    .split('/')
                    .next()?
                    .clone_into(&mut signer);
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        operation,
        signer,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}
