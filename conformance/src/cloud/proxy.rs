// SPDX-License-Identifier: MIT
//! An HTTP/1.1 proxy between a client and the emulator: it counts, makes pages, and does what goes wrong.
//!
//! It runs on a thread of its own in the process that made it, and ends with its value. Rules can be set and taken
//! away at any time; they hold for requests that come afterwards.

use super::count::Counts;
use super::fault::{Fault, On, Rule};
use super::message::Message;
use super::ministack::Ministack;
use super::page::Page;
use super::{Account, Api};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A proxy before an emulator.
pub struct Proxy {
    url: String,
    state: Arc<State>,
    door: watch::Sender<Door>,
    thread: Option<JoinHandle<()>>,
}

/// Whether connections are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Shut,
    Ended,
}

struct State {
    server: String,
    /// What the listening side has done about the door.
    done: watch::Sender<Door>,
    /// Whether requests that [`Fault::Held`] is for may go on.
    released: watch::Sender<bool>,
    plan: Mutex<Plan>,
}

/// What is to be done, and what was.
struct Plan {
    rules: Vec<Rule>,
    latency: Duration,
    page: usize,
    remembered: Option<(String, HashMap<Vec<u8>, Message>)>,
    counts: Counts,
}

/// What follows a request: the next one, or the end of the connection.
type After = io::Result<()>;

impl Proxy {
    /// A proxy before the emulator, on a free port.
    pub fn before(ministack: &Ministack) -> Self {
        let server = ministack.url().trim_start_matches("http://").to_owned();
        let state = Arc::new(State {
            server,
            done: watch::Sender::new(Door::Shut),
            released: watch::Sender::new(false),
            plan: Mutex::new(Plan {
                rules: Vec::new(),
                latency: Duration::ZERO,
                page: usize::MAX,
                remembered: None,
                counts: Counts::default(),
            }),
        });
        let (door, orders) = watch::channel(Door::Open);
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = socket.local_addr().expect("an address");
        let own = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime
                    .expect("a runtime")
                    .block_on(own.doors(socket, address, orders));
            });
        let proxy = Self {
            url: format!("http://{address}"),
            state,
            door,
            thread: Some(thread.expect("a thread")),
        };
        proxy.until(Door::Open);
        proxy
    }

    /// The address for clients: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The service's own API, through the proxy.
    pub fn api(&self, account: &Account) -> Api {
        Api::new(&self.url, account)
    }

    /// What it has counted since it was made, or since [`Proxy::forget`].
    pub fn counts(&self) -> Counts {
        self.state.plan().counts.clone()
    }

    /// Counts from zero.
    pub fn forget(&self) {
        self.state.plan().counts.forget();
    }

    /// From now on `fault` happens to the requests of `on`. Of several rules that fit, the oldest one counts.
    pub fn fault(&self, on: On, fault: Fault) {
        if fault == Fault::Held {
            self.state.released.send_replace(false);
        }
        self.state.plan().rules.push(Rule::new(on, fault));
    }

    /// Lets the requests go on that are held, and those that would be.
    pub fn release(&self) {
        self.state.released.send_replace(true);
    }

    /// From now on nothing goes wrong, and connections are accepted. What is held goes on.
    pub fn heal(&self) {
        self.state.plan().rules.clear();
        self.release();
        self.turn(Door::Open);
    }

    /// From now on connections are refused; those that are there are reset.
    pub fn refuse(&self) {
        self.turn(Door::Shut);
    }

    /// Every answer takes at least this long.
    pub fn latency(&self, latency: Duration) {
        self.state.plan().latency = latency;
    }

    /// Listings come in pages of `length` entries, or fewer where the client wants fewer.
    pub fn pages_of(&self, length: usize) {
        self.state.plan().page = length;
    }

    /// Requests for `operation` that were answered before get the same answer at once: load that the emulator could
    /// not bear. They are counted like any other.
    pub fn remember(&self, operation: &str) {
        self.state.plan().remembered = Some((operation.to_owned(), HashMap::new()));
    }

    fn turn(&self, door: Door) {
        // Ordering what holds already would end the connections.
        self.door
            .send_if_modified(|now| std::mem::replace(now, door) != door);
        self.until(door);
    }

    /// Waits until the listening side has done it.
    fn until(&self, door: Door) {
        let mut done = self.state.done.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let waited = runtime
            .expect("a runtime")
            .block_on(done.wait_for(|now| *now == door))
            .is_ok();
        assert!(waited, "the proxy has ended");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.send_replace(Door::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Opens and shuts the door as ordered, until the end.
    async fn doors(
        self: Arc<Self>,
        first: std::net::TcpListener,
        address: SocketAddr,
        mut orders: watch::Receiver<Door>,
    ) {
        let mut reserved = Some(first);
        loop {
            let order = *orders.borrow_and_update();
            match order {
                Door::Ended => return,
                Door::Open => {
                    let listener = match reserved.take() {
                        Some(first) => from_std(first),
                        None => bound(address).listen(BACKLOG),
                    };
                    let listener = listener.expect("the proxy's port");
                    let connections = Arc::clone(&self).accept(listener, orders.clone());
                    self.done.send_replace(Door::Open);
                    tokio::select! {
                        never = connections => match never {},
                        _ = orders.changed() => {}
                    }
                }
                Door::Shut => {
                    // Bound, so that nobody else gets the port, but not listening: connections are refused.
                    let _kept = bound(address);
                    self.done.send_replace(Door::Shut);
                    let _ = orders.changed().await;
                }
            }
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, orders: watch::Receiver<Door>) -> Infallible {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let (own, orders) = (Arc::clone(&self), orders.clone());
            tokio::spawn(async move {
                own.plan().counts.opening();
                own.connection(stream, orders).await;
            });
        }
    }

    async fn connection(&self, mut stream: TcpStream, mut orders: watch::Receiver<Door>) {
        let _ = stream.set_nodelay(true);
        let mut busy = false;
        let shut = {
            let conversation = self.conversation(&mut stream, &mut busy);
            tokio::select! {
                _ = conversation => false,
                _ = orders.changed() => true,
            }
        };
        if shut {
            let _ = stream.set_zero_linger();
        }
        let mut plan = self.plan();
        plan.counts.open -= 1;
        if !busy {
            plan.counts.idle -= 1;
        }
    }

    /// Request by request, until somebody closes.
    async fn conversation(&self, stream: &mut TcpStream, busy: &mut bool) -> After {
        let mut held = Vec::new();
        while let Some(mut request) = Message::read_head(stream, &mut held).await? {
            *busy = true;
            let (fault, latency) = self.plan().next(request.operation());
            if fault == Some(Fault::Reset) {
                return reset(stream);
            }
            request.read_body(stream, &mut held).await?;
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            let last = request.is_last();
            self.answer(stream, request, fault).await?;
            *busy = false;
            self.plan().counts.answered();
            if last {
                break;
            }
        }
        Ok(())
    }

    /// Waits where that is what goes wrong; the fault that is left.
    async fn held(&self, fault: Option<Fault>) -> Option<Fault> {
        if fault != Some(Fault::Held) {
            return fault;
        }
        let mut released = self.released.subscribe();
        // It cannot fail: the sender is as old as the state.
        let _ = released.wait_for(|now| *now).await;
        None
    }

    /// Answers one request, or not. An error ends the connection.
    async fn answer(&self, stream: &mut TcpStream, mut request: Message, fault: Option<Fault>) -> After {
        let Some(fault) = self.held(fault).await else {
            let answer = self.served(request).await?;
            return stream.write_all(&answer.bytes()).await;
        };
        if let Some(answer) = fault.answer() {
            return stream.write_all(&answer.bytes()).await;
        }
        if fault == Fault::Hang {
            return until_closed(stream).await;
        }
        if let Fault::Lying(lie) = fault {
            lie.ask(&mut request);
        }
        let mut answer = self.ask(request).await?;
        match fault {
            Fault::Silent => return until_closed(stream).await,
            Fault::Slow(time) => tokio::time::sleep(time).await,
            Fault::Lost => return reset(stream),
            Fault::Truncated => {
                let bytes = answer.bytes();
                stream
                    .write_all(&bytes[..bytes.len() - answer.body.len() / 2])
                    .await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Fault::Garbage => answer.body = b"\0<html>{\"nothing".to_vec(),
            Fault::Lying(lie) => lie.tell(&mut answer),
            _ => {}
        }
        stream.write_all(&answer.bytes()).await?;
        match fault {
            Fault::Closing => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// The server's answer, or one that is remembered.
    async fn served(&self, request: Message) -> io::Result<Message> {
        let key = match &self.plan().remembered {
            Some((operation, answers)) if operation == request.operation() => {
                match answers.get(&request.body) {
                    Some(answer) => return Ok(answer.clone()),
                    None => Some(request.body.clone()),
                }
            }
            _ => None,
        };
        let answer = self.ask(request).await?;
        if let (Some(key), true, Some((_, answers))) =
            (key, answer.is_success(), self.plan().remembered.as_mut())
        {
            answers.insert(key, answer.clone());
        }
        Ok(answer)
    }

    /// Asks the server, on a connection for this request alone, and makes pages of listings.
    async fn ask(&self, mut request: Message) -> io::Result<Message> {
        let most = self.plan().page;
        let page = match Page::take(&mut request, most) {
            Ok(page) => page,
            Err(refusal) => return Ok(refusal),
        };
        request
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        let request = request.with("Connection", "close");
        let mut stream = TcpStream::connect(&self.server).await?;
        stream.write_all(&request.bytes()).await?;
        let mut held = Vec::new();
        let answer = Message::read_head(&mut stream, &mut held).await?;
        let mut answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        answer.read_body(&mut stream, &mut held).await?;
        answer
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        if let Some(page) = page {
            page.cut(&mut answer);
        }
        Ok(answer)
    }
}

impl Plan {
    /// Counts a request and says what happens to it.
    fn next(&mut self, operation: &str) -> (Option<Fault>, Duration) {
        self.counts.asked(operation);
        let faults: Vec<_> = self.rules.iter_mut().map(|rule| rule.judge(operation)).collect();
        (faults.into_iter().flatten().next(), self.latency)
    }
}

fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    let outcome = socket.set_reuseaddr(true).and_then(|()| socket.bind(address));
    outcome.expect("the proxy's port once more");
    socket
}

/// Closes with a reset instead of an end.
fn reset(stream: &TcpStream) -> After {
    stream.set_zero_linger()?;
    Err(io::ErrorKind::ConnectionReset.into())
}

/// Reads and says nothing.
async fn until_closed(stream: &mut TcpStream) -> After {
    use tokio::io::AsyncReadExt;
    let mut room = [0; 1024];
    while stream.read(&mut room).await? > 0 {}
    Err(io::ErrorKind::UnexpectedEof.into())
}
