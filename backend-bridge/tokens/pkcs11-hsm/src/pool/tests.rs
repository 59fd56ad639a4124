// SPDX-License-Identifier: MIT
//! Which session of the vendor's serves whom, without any vendor.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const ONE: SessionId = SessionId(1);
const OTHER: SessionId = SessionId(2);

fn now() -> Instant {
    Instant::now()
}

/// Takes a session that has to be opened under this handle.
fn open(pool: &Pool, seat: SessionId, writable: bool, session: Session) -> Lease {
    let Offer::Open { generation, .. } = pool.take(seat, writable, Need::Shared, true, now).unwrap() else {
        panic!("there was one already");
    };
    pool.opened(seat, writable, session, generation).unwrap()
}

fn ready(pool: &Pool, seat: SessionId, writable: bool) -> Lease {
    match pool.take(seat, writable, Need::Shared, true, now).unwrap() {
        Offer::Ready(lease) => lease,
        Offer::Open { .. } => panic!("there was none"),
    }
}

/// Some object is made in the lease's session.
fn own(pool: &Pool, lease: &Lease) {
    assert!(pool.own_object(&pool.begin_making(SessionId(99)), lease));
}

#[test]
fn all_operations_of_one_session_share_a_vendor_session() {
    let pool = Pool::new(4);
    let first = open(&pool, ONE, true, 10);
    assert_eq!(ready(&pool, ONE, true), first);
    assert_eq!(open(&pool, OTHER, true, 11).session, 11);
    assert_eq!(pool.give_back(&first, Fate::Clean), None);
    assert_eq!(ready(&pool, ONE, true), first, "one operation is still under way");
}

#[test]
fn what_is_better_alone_shares_a_session_only_where_there_is_no_other() {
    let pool = Pool::new(2);
    let first = open(&pool, ONE, true, 10);
    let offer = pool.take(ONE, true, Need::Alone, true, now).unwrap();
    assert!(matches!(offer, Offer::Open { .. }));
    let second = pool.opened(ONE, true, 11, 0).unwrap();
    assert_eq!(
        pool.take(ONE, true, Need::Alone, true, now),
        Ok(Offer::Ready(first))
    );
    own(&pool, &second);
    pool.give_back(&second, Fate::Clean);
    assert_eq!(
        pool.take(ONE, true, Need::Alone, true, now),
        Ok(Offer::Ready(second))
    );
}

#[test]
fn an_idle_session_serves_anybody() {
    let pool = Pool::new(1);
    let first = open(&pool, ONE, true, 10);
    assert_eq!(
        pool.take(OTHER, true, Need::Shared, true, now),
        Err(Rv::SessionCount)
    );
    assert_eq!(pool.give_back(&first, Fate::Clean), None);
    assert_eq!(ready(&pool, OTHER, true).session, 10);
}

#[test]
fn an_idle_session_of_the_other_kind_makes_room() {
    let pool = Pool::new(1);
    let first = open(&pool, ONE, false, 10);
    pool.give_back(&first, Fate::Clean);
    let offer = pool.take(ONE, true, Need::Shared, true, now).unwrap();
    assert!(matches!(
        offer,
        Offer::Open {
            first_close: Some(10),
            ..
        }
    ));
}

#[test]
fn a_session_with_objects_stays_with_its_owner_until_it_leaves() {
    let pool = Pool::new(2);
    let lease = open(&pool, ONE, true, 10);
    own(&pool, &lease);
    assert_eq!(pool.give_back(&lease, Fate::Clean), None);
    assert_eq!(open(&pool, OTHER, true, 11).session, 11, "the first is not idle");
    assert_eq!(pool.leave(ONE), [10], "its objects must die");
    let lease = open(&pool, ONE, true, 12);
    own(&pool, &lease);
    pool.give_back(&lease, Fate::Clean);
    assert_eq!(pool.disown_object(&lease), None);
    assert!(pool.leave(ONE).is_empty(), "there is nothing in it any more");
    assert_eq!(ready(&pool, ONE, true).session, 12);
}

#[test]
fn a_session_with_an_operation_left_in_it_begins_no_other() {
    let pool = Pool::new(3);
    let lease = open(&pool, ONE, true, 10);
    assert_eq!(pool.give_back(&lease, Fate::Dirty), Some(10));
    let lease = open(&pool, ONE, true, 11);
    own(&pool, &lease);
    assert_eq!(pool.give_back(&lease, Fate::Dirty), None, "it owns an object");
    assert_eq!(open(&pool, ONE, true, 12).session, 12);
    assert_eq!(pool.disown_object(&lease), Some(11));
}

#[test]
fn objects_are_made_where_the_others_are_though_an_operation_is_left_there() {
    let pool = Pool::new(2);
    let lease = open(&pool, ONE, true, 10);
    for fate in [Fate::Doubtful, Fate::Dirty] {
        own(&pool, &lease);
        assert_eq!(pool.give_back(&lease, fate), None);
        let again = pool.take(ONE, true, Need::Call, true, now);
        assert_eq!(again, Ok(Offer::Ready(lease)), "{fate:?}");
    }
    let other = open(&pool, OTHER, true, 11);
    let refused = pool.take(ONE, true, Need::Shared, true, now);
    assert_eq!(refused, Err(Rv::SessionCount), "no operation begins there");
    own(&pool, &other);
    pool.give_back(&lease, Fate::Clean);
    assert_eq!(pool.leave(ONE), [10]);
}

#[test]
fn an_operation_begins_in_a_doubtful_session_only_where_there_is_no_other() {
    let pool = Pool::new(2);
    let lease = open(&pool, ONE, true, 10);
    own(&pool, &lease);
    pool.give_back(&lease, Fate::Doubtful);
    let other = open(&pool, ONE, true, 11);
    own(&pool, &other);
    pool.give_back(&other, Fate::Dirty);
    assert_eq!(ready(&pool, ONE, true), lease);
    pool.note_begun(&lease);
    pool.give_back(&lease, Fate::Clean);
    assert_eq!(
        pool.disown_object(&lease),
        None,
        "it had room, and others may have it"
    );
    assert_eq!(ready(&pool, OTHER, true).session, 10);
}

#[test]
fn a_session_with_too_many_operations_begins_others_when_they_have_ended() {
    let pool = Pool::new(1);
    let lease = open(&pool, ONE, true, 10);
    own(&pool, &lease);
    pool.note_begun(&lease);
    assert_eq!(ready(&pool, ONE, true), lease);
    assert_eq!(pool.give_back(&lease, Fate::Dirty), None);
    let refused = pool.take(ONE, true, Need::Alone, true, now);
    assert_eq!(refused, Err(Rv::SessionCount), "it may be the one under way");
    let call = pool.take(ONE, true, Need::Call, true, now);
    assert_eq!(call, Ok(Offer::Ready(lease)));
    pool.give_back(&lease, Fate::Clean);
    let soon = || Instant::now() + std::time::Duration::from_secs(60);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.take(ONE, true, Need::Shared, true, soon));
        pool.give_back(&lease, Fate::Clean);
        assert_eq!(waiting.join().unwrap(), Ok(Offer::Ready(lease)));
    });
}

#[test]
fn no_call_is_made_in_a_session_that_ends_with_its_objects() {
    let pool = Pool::new(2);
    let lease = open(&pool, ONE, true, 10);
    own(&pool, &lease);
    assert!(pool.leave(ONE).is_empty(), "a call is in it");
    let offer = pool.take(ONE, true, Need::Call, true, now).unwrap();
    assert!(matches!(offer, Offer::Open { .. }));
    assert_eq!(pool.give_back(&lease, Fate::Doubtful), Some(10));
}

#[test]
fn an_operation_that_outlives_its_session_gives_back_what_it_has() {
    let pool = Pool::new(1);
    let lease = open(&pool, ONE, true, 10);
    assert!(pool.leave(ONE).is_empty());
    assert_eq!(pool.give_back(&lease, Fate::Clean), None);
    assert_eq!(ready(&pool, OTHER, true).session, 10);
    let lease = ready(&pool, OTHER, true);
    own(&pool, &lease);
    pool.give_back(&lease, Fate::Clean);
    assert!(pool.leave(OTHER).is_empty());
    assert_eq!(
        pool.give_back(&lease, Fate::Clean),
        Some(10),
        "its objects must die"
    );
}

#[test]
fn the_newest_operation_is_the_one_that_began_last_and_goes_on() {
    let pool = Pool::new(3);
    let first = open(&pool, ONE, true, 10);
    assert_eq!(pool.newest(ONE), None, "nothing has begun");
    pool.note_begun(&first);
    let Ok(Offer::Open { .. }) = pool.take(ONE, true, Need::Alone, true, now) else {
        panic!("there was one already");
    };
    let second = pool.opened(ONE, true, 11, 0).unwrap();
    pool.note_begun(&second);
    assert_eq!(pool.newest(ONE), Some(second));
    assert_eq!(pool.newest(OTHER), None);
    pool.give_back(&second, Fate::Clean);
    own(&pool, &second);
    pool.give_back(&second, Fate::Clean);
    assert_eq!(pool.newest(ONE), Some(first), "the second has ended");
}

#[test]
fn whoever_asks_of_the_last_operation_is_never_told_of_anothers() {
    let pool = Pool::new(1);
    let first = open(&pool, ONE, true, 10);
    assert_eq!(pool.attend(ONE), None, "there was no operation");
    pool.note_done(&first);
    pool.give_back(&first, Fate::Clean);
    let second = ready(&pool, OTHER, true);
    pool.note_done(&second);
    pool.give_back(&second, Fate::Clean);
    assert_eq!(pool.attend(ONE), None, "another's was there since");
    assert_eq!(pool.attend(OTHER).map(|lease| lease.session), Some(10));
}

#[test]
fn whoever_asks_of_the_last_operation_keeps_its_session_until_the_end() {
    let pool = Pool::new(1);
    let first = open(&pool, ONE, true, 10);
    pool.note_begun(&first);
    pool.give_back(&first, Fate::Clean);
    let asked = pool.attend(ONE).unwrap();
    assert_eq!(pool.give_back(&asked, Fate::Clean), None);
    let refused = pool.take(OTHER, true, Need::Shared, true, now);
    assert_eq!(refused, Err(Rv::SessionCount));
    assert_eq!(pool.attend(ONE), Some(asked));
    pool.give_back(&asked, Fate::Clean);
    assert!(pool.leave(ONE).is_empty());
    assert_eq!(ready(&pool, OTHER, true).session, 10, "it is free again");
}

#[test]
fn nobody_owns_what_is_made_for_a_session_that_was_closed_meanwhile() {
    let pool = Pool::new(1);
    let making = pool.begin_making(ONE);
    let lease = open(&pool, ONE, true, 10);
    assert!(pool.own_object(&making, &lease));
    assert!(pool.leave(ONE).is_empty(), "a call is in it");
    assert!(!pool.own_object(&making, &lease));
    assert_eq!(
        pool.give_back(&lease, Fate::Clean),
        Some(10),
        "what it made before must die"
    );
    // It waited for a session of the vendor's while its own was closed.
    let lease = open(&pool, ONE, true, 11);
    assert!(!pool.own_object(&making, &lease));
    let late = pool.begin_making(ONE);
    assert!(!pool.own_object(&late, &lease));
    drop((making, late));
    assert_eq!(pool.give_back(&lease, Fate::Clean), None);
    assert_eq!(ready(&pool, OTHER, true).session, 11);
}

#[test]
fn what_was_lost_with_the_device_is_forgotten() {
    let pool = Pool::new(2);
    let lease = open(&pool, ONE, true, 10);
    let other = open(&pool, OTHER, true, 11);
    pool.give_back(&other, Fate::Clean);
    assert_eq!(pool.lose_all(1), [11], "somebody is in the other");
    pool.forget_lost();
    assert_eq!(pool.give_back(&lease, Fate::Clean), None);
    assert_eq!(open(&pool, ONE, true, 10).generation, 1);
    assert_eq!(open(&pool, OTHER, true, 11).generation, 1);
}

#[test]
fn a_session_is_not_closed_under_a_call_though_the_connection_is_lost() {
    let pool = Pool::new(3);
    let lease = open(&pool, ONE, true, 10);
    assert_eq!(ready(&pool, ONE, true), lease, "two calls are in it");
    let gone = open(&pool, OTHER, true, 11);
    assert!(pool.lose_all(2).is_empty());
    assert_eq!(open(&pool, ONE, true, 12).generation, 2, "it begins nothing new");
    assert_eq!(pool.give_back(&lease, Fate::Clean), None);
    assert_eq!(pool.give_back(&lease, Fate::Clean), Some(10));
    assert_eq!(
        pool.give_back(&gone, Fate::Dirty),
        None,
        "whose it is now is not known"
    );
}

#[test]
fn where_the_vendor_has_no_more_sessions_the_next_free_one_is_waited_for() {
    let pool = Pool::new(9);
    let lease = open(&pool, ONE, true, 10);
    let Offer::Open { generation, .. } = pool.take(OTHER, true, Need::Shared, true, now).unwrap() else {
        panic!("there was one already");
    };
    pool.not_opened(generation);
    let soon = || Instant::now() + std::time::Duration::from_secs(60);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.take(OTHER, true, Need::Shared, false, soon));
        pool.give_back(&lease, Fate::Clean);
        let offer = waiting.join().unwrap();
        assert!(matches!(offer, Ok(Offer::Ready(Lease { session: 10, .. }))));
    });
}

#[test]
fn what_cannot_come_free_is_not_waited_for() {
    let pool = Pool::new(1);
    let lease = open(&pool, ONE, true, 10);
    own(&pool, &lease);
    pool.give_back(&lease, Fate::Clean);
    let never = || -> Instant { panic!("it waits") };
    let offer = pool.take(OTHER, true, Need::Shared, true, never);
    assert_eq!(offer, Err(Rv::SessionCount));
}
