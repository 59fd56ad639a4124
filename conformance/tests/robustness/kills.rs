// SPDX-License-Identifier: MIT
//! Processes that die while they write: what was committed stays, and is on the disk before the call returns.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::{as_part, finish, in_own_process, needing, part};
use keyenclave_conformance::module::{bytes, flag};
use keyenclave_conformance::place::Place;
use keyenclave_conformance::token::{CURVES, RW, Token, USER_PIN, data_object};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KILLS: u32 = 100;

/// Says a line at once: libtest's own output goes the same way.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{line}")
        .and_then(|()| out.flush())
        .expect("the parent listens");
}

fn logged_in() -> (Token, CK_SESSION_HANDLE) {
    let token = Token::existing();
    let session = token.user_session();
    (token, session)
}

/// Creates objects for ever, one public, one private, now and then a key pair, and says which are committed.
fn write_for_ever(run: &str) {
    let (token, session) = logged_in();
    say("ready");
    for round in 0u32.. {
        let label = format!("{run}-{round}");
        if round % 16 == 7 {
            token.ec(
                session,
                CURVES[0].0,
                &[flag(CKA_TOKEN, true), bytes(CKA_LABEL, label.as_str())],
            );
        } else {
            let attrs = data_object(&label, round % 2 == 0, label.as_bytes());
            token.create_object(session, &attrs).expect("a new object");
        }
        say(&format!("committed {label}"));
    }
}

/// Starts a writer, lets it commit `least` objects, and kills it `part` thousandths of a commit's time later, that is,
/// somewhere in the next one. What it had committed.
fn killed(run: u32, least: usize, part: u32) -> Vec<String> {
    let mut writer = as_part(&format!("write {run}"));
    let mut writer = writer
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(writer.stdout.take().unwrap());
    let mut lines = output
        .lines()
        .map_while(Result::ok)
        .filter(|line| line == "ready" || line.starts_with("committed"));
    assert_eq!(lines.next().as_deref(), Some("ready"), "writer {run}");
    let mut committed = Vec::new();
    let start = Instant::now();
    committed.extend(lines.by_ref().take(least));
    let one = start.elapsed() / u32::try_from(least).unwrap();
    // The moment of the kill is what is tried here; nothing is waited for.
    std::thread::sleep(one * part / 1000);
    writer.kill().expect("a writer that is still at it");
    writer.wait().expect("the writer's end");
    committed.extend(lines);
    committed
        .iter()
        .map(|line| line.replacen("committed ", "", 1))
        .collect()
}

#[test]
fn a_hundred_kills_lose_no_committed_object() {
    in_own_process(|| {
        if let Some(run) = part().as_deref().and_then(|part| part.strip_prefix("write ")) {
            return write_for_ever(run);
        }
        let token = Token::fresh();
        let mut committed = Vec::new();
        for run in 0..KILLS {
            // Spread without a pattern: multiples of a number coprime to the modulus.
            committed.extend(killed(
                run,
                1 + usize::try_from(run % 4).unwrap(),
                run * 7919 % 1000,
            ));
        }
        assert!(
            committed.len() > 100,
            "only {} objects were committed",
            committed.len()
        );
        let session = token.user_session();
        for label in &committed {
            let found = token.find(session, &[bytes(CKA_LABEL, label.as_str())]).unwrap();
            match found.as_slice() {
                [object] => assert_eq!(token.read(session, *object, CKA_VALUE).unwrap(), label.as_bytes()),
                [first, second] => {
                    let class = |key| token.read_number(session, key, CKA_CLASS).unwrap();
                    assert_ne!(class(*first), class(*second), "a key pair");
                }
                other => panic!("{label}: {} objects", other.len()),
            }
        }
        for private in token
            .find(
                session,
                &[keyenclave_conformance::module::number(CKA_CLASS, CKO_PRIVATE_KEY)],
            )
            .unwrap()
        {
            let label = token.read(session, private, CKA_LABEL).unwrap();
            assert_eq!(
                token.find(session, &[bytes(CKA_LABEL, label)]).unwrap().len(),
                2,
                "never half a pair"
            );
            assert!(token.sign(session, CKM_ECDSA, private, &[1; 32]).is_ok());
        }
    });
}

#[test]
fn a_kill_during_a_pin_change_leaves_one_of_the_two_pins() {
    in_own_process(|| {
        let (old, new) = (USER_PIN.as_slice(), b"other-pin".as_slice());
        if part().is_some() {
            let token = Token::existing();
            let session = token.session(RW);
            say("ready");
            loop {
                assert_eq!(token.set_pin(session, old, new), Rv::OK);
                say("committed");
                assert_eq!(token.set_pin(session, new, old), Rv::OK);
                say("committed");
            }
        }
        let token = Token::fresh();
        let session = token.user_session();
        token
            .create_object(session, &data_object("kept", true, b"value"))
            .unwrap();
        assert_eq!(token.finalize(false), Rv::OK);
        for run in 0..10u32 {
            killed(run, 1, run * 7919 % 1000);
            assert_eq!(token.initialize(keyenclave_conformance::token::THREADS), Rv::OK);
            let session = token.session(RW);
            if token.login(session, CKU_USER, old) != Rv::OK {
                assert_eq!(token.login(session, CKU_USER, new), Rv::OK);
                assert_eq!(token.set_pin(session, new, old), Rv::OK);
            }
            let found = token.find(session, &[bytes(CKA_LABEL, "kept")]).unwrap();
            assert_eq!(token.read(session, found[0], CKA_VALUE).unwrap(), b"value");
            assert_eq!(token.finalize(false), Rv::OK);
        }
    });
}

#[test]
fn an_object_is_on_the_disk_before_create_object_returns() {
    in_own_process(|| {
        if part().is_some() {
            let (token, session) = logged_in();
            say("before the call");
            token
                .create_object(session, &data_object("synced", true, b"value"))
                .unwrap();
            say("after the call");
            return;
        }
        needing(&["strace"], || {
            let place = Place::of_this_process();
            let token = Token::fresh();
            assert_eq!(token.finalize(false), Rv::OK);
            let traced = as_part("create");
            let mut strace = Command::new("strace");
            strace.args(["-f", "-y", "-o"]).arg(place.file("trace"));
            strace.args([
                "-e",
                "trace=write,pwrite64,writev,fsync,fdatasync,sync_file_range,msync",
            ]);
            strace.arg(traced.get_program()).args(traced.get_args());
            strace.envs(traced.get_envs().filter_map(|(name, value)| Some((name, value?))));
            finish(strace, Duration::from_secs(60)).unwrap_or_else(|output| panic!("{output}"));
            let trace = std::fs::read_to_string(place.file("trace")).unwrap();
            let call = trace
                .split("before the call")
                .nth(1)
                .unwrap()
                .split("after the call")
                .next()
                .unwrap();
            let store = place.store();
            let store = store.to_str().unwrap();
            let lines: Vec<&str> = call.lines().filter(|line| line.contains(store)).collect();
            let of = |names: &[&str]| {
                lines
                    .iter()
                    .rposition(|line| names.iter().any(|name| line.contains(name)))
            };
            let written =
                of(&["pwrite64(", "write(", "writev("]).unwrap_or_else(|| panic!("nothing written: {call}"));
            let synced = of(&["fsync(", "fdatasync("]).unwrap_or_else(|| panic!("no sync: {call}"));
            assert!(
                synced > written,
                "written after the last sync:\n{}",
                lines.join("\n")
            );
        });
    });
}
