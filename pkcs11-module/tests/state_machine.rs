// SPDX-License-Identifier: MIT
//! The state machine against a small model of the specification: any sequence of calls, one after the other, comes to
//! the same return values and the same state in both.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{
    CallCx, End, ObjectId, Operation, OperationClass, Out, OutputLen, Part, Pending, Role, Step,
};
use keyenclave_module::session::activity::Activity;
use keyenclave_module::session::login::{Begin, TokenState};
use keyenclave_module::session::operation::{Active, Ending, Operations};
use keyenclave_module::session::waiting::Waiting;
use proptest::prelude::*;

fn rv<T>(result: Result<T>) -> Option<Rv> {
    result.err().map(|error: Error| error.rv())
}

/// What an application does to a token's login and sessions.
#[derive(Clone, Debug)]
enum Event {
    Open { writable: bool },
    Close { writable: bool },
    Login { role: Role, right_pin: bool },
    Logout,
    InitToken,
    SomebodyElseInitialises,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let role = prop_oneof![Just(Role::User), Just(Role::So)];
    let event = prop_oneof![
        3 => any::<bool>().prop_map(|writable| Event::Open { writable }),
        3 => any::<bool>().prop_map(|writable| Event::Close { writable }),
        3 => (role, any::<bool>()).prop_map(|(role, right_pin)| Event::Login { role, right_pin }),
        1 => Just(Event::Logout),
        1 => Just(Event::InitToken),
        1 => Just(Event::SomebodyElseInitialises),
    ];
    proptest::collection::vec(event, 0..60)
}

/// The specification in a few lines: open sessions, and who is logged in.
#[derive(Default)]
struct TokenModel {
    read_only: usize,
    read_write: usize,
    role: Option<Role>,
    /// Somebody replaced the token, and no call has noticed yet.
    replaced: bool,
}

impl TokenModel {
    fn apply(&mut self, event: &Event) -> Option<Rv> {
        if std::mem::take(&mut self.replaced) {
            self.role = None;
        }
        let open = self.read_only + self.read_write;
        match event {
            Event::Open { writable: false } if self.role == Some(Role::So) => {
                return Some(Rv::SessionReadWriteSoExists);
            }
            Event::Open { writable } => *self.count(*writable) += 1,
            // Only what is open is closed.
            Event::Close { writable } if *self.count(*writable) == 0 => {}
            Event::Close { writable } => {
                *self.count(*writable) -= 1;
                self.role = self.role.filter(|_| open > 1);
            }
            Event::Login { .. } if open == 0 => {}
            Event::Login { role, .. } if self.role == Some(*role) => return Some(Rv::UserAlreadyLoggedIn),
            Event::Login { .. } if self.role.is_some() => return Some(Rv::UserAnotherAlreadyLoggedIn),
            Event::Login { role: Role::So, .. } if self.read_only > 0 => {
                return Some(Rv::SessionReadOnlyExists);
            }
            Event::Login { role, right_pin } => self.role = right_pin.then_some(*role),
            Event::Logout if self.role.is_none() => return Some(Rv::UserNotLoggedIn),
            Event::Logout => self.role = None,
            Event::InitToken if open > 0 => return Some(Rv::SessionExists),
            Event::InitToken => {}
            Event::SomebodyElseInitialises => self.replaced = true,
        }
        None
    }

    fn count(&mut self, writable: bool) -> &mut usize {
        if writable {
            &mut self.read_write
        } else {
            &mut self.read_only
        }
    }
}

/// The real state, with a token that answers at once.
#[derive(Default)]
struct Driver {
    state: TokenState,
    open: BTreeMap<bool, usize>,
    epoch: u64,
}

impl Driver {
    fn apply(&mut self, event: &Event) -> Option<Rv> {
        if self.state.moved_to(self.epoch) {
            self.state.end_logout();
        }
        let sessions: usize = self.open.values().sum();
        match event {
            Event::Open { writable } => {
                let outcome = self.state.open(*writable);
                if matches!(outcome, Ok(Begin::Go)) {
                    *self.open.entry(*writable).or_default() += 1;
                }
                rv(outcome)
            }
            Event::Close { writable } => {
                let open = self.open.entry(*writable).or_default();
                if *open > 0 {
                    *open -= 1;
                    if self.state.closed(*writable) {
                        self.state.end_logout();
                    }
                }
                None
            }
            Event::Login { .. } if sessions == 0 => None,
            Event::Login { role, right_pin } => match self.state.begin_login(*role) {
                Ok(begin) => {
                    assert_eq!(begin, Begin::Go);
                    assert_eq!(
                        self.state.role(),
                        None,
                        "nobody is logged in while the PIN is checked"
                    );
                    assert!(!self.state.end_login(right_pin.then_some(*role), self.epoch));
                    None
                }
                Err(error) => Some(error.rv()),
            },
            Event::Logout => {
                let outcome = self.state.begin_logout();
                if outcome.is_ok() {
                    self.state.end_logout();
                }
                rv(outcome)
            }
            Event::InitToken => {
                let outcome = self.state.begin_init();
                if outcome.is_ok() {
                    self.state.end_init();
                }
                rv(outcome)
            }
            Event::SomebodyElseInitialises => {
                self.epoch += 1;
                None
            }
        }
    }
}

/// An operation that does nothing.
struct Nothing;

impl Operation for Nothing {
    fn output_len(&self, _part: Part) -> Result<OutputLen> {
        Ok(OutputLen::Exact(0))
    }
    fn single(self: Box<Self>, _cx: &CallCx, _input: &[u8], _end: End<'_>) -> Step {
        Error::from(Rv::FunctionFailed).into()
    }
    fn update(&mut self, _cx: &CallCx, _input: &[u8], _out: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
    fn finish(self: Box<Self>, _cx: &CallCx, _end: End<'_>) -> Step {
        Error::from(Rv::FunctionFailed).into()
    }
}

/// Work that never has an answer.
struct Never;

impl Pending for Never {
    fn poll(&mut self) -> Option<Result<Out>> {
        None
    }
    fn wait(&mut self, _deadline: Option<Instant>) -> Option<Result<Out>> {
        None
    }
    fn cancel(self: Box<Self>) {}
}

/// What threads do to a session's operations.
#[derive(Clone, Debug)]
enum Act {
    Reserve(usize),
    Take(usize),
    PutBack(usize),
    End(usize),
    /// Leaves work behind that is waited for.
    Leave(usize),
    Look(usize),
    /// Whoever looked first has found no answer.
    LookAway,
    /// Whoever looked first has found an answer.
    Conclude,
    /// Ends what began under a login that is over.
    EndStale,
    Cancel(usize),
    Replace(usize),
    Only,
    Logout,
    Close,
    Search,
    EndSearch,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let class = 0..OperationClass::ALL.len();
    let act = prop_oneof![
        4 => class.clone().prop_map(Act::Reserve),
        4 => class.clone().prop_map(Act::Take),
        4 => class.clone().prop_map(Act::PutBack),
        2 => class.clone().prop_map(Act::End),
        4 => class.clone().prop_map(Act::Leave),
        4 => class.clone().prop_map(Act::Look),
        2 => Just(Act::LookAway),
        2 => Just(Act::Conclude),
        1 => Just(Act::EndStale),
        2 => class.clone().prop_map(Act::Cancel),
        2 => class.prop_map(Act::Replace),
        2 => Just(Act::Only),
        1 => Just(Act::Logout),
        1 => Just(Act::Search),
        1 => Just(Act::EndSearch),
    ];
    (proptest::collection::vec(act, 0..80), any::<bool>()).prop_map(|(mut acts, close)| {
        if close {
            acts.insert(acts.len() / 2, Act::Close);
        }
        acts
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Empty,
    /// Out, and begun under this login.
    Out(u64),
    Here(u64),
    /// Waited for; with the number of the look that has it.
    Waiting(u64, Option<usize>),
}

impl Place {
    /// Under which login it began, unless it is out or empty.
    fn begun(self) -> Option<u64> {
        match self {
            Self::Here(begun) | Self::Waiting(begun, _) => Some(begun),
            Self::Empty | Self::Out(_) => None,
        }
    }
}

proptest! {
    #[test]
    fn login_and_sessions_are_what_the_specification_says(events in events()) {
        let (mut model, mut real) = (TokenModel::default(), Driver::default());
        for event in &events {
            prop_assert_eq!(real.apply(event), model.apply(event), "{:?}", event);
            let open = model.read_only + model.read_write;
            prop_assert_eq!(real.state.sessions(), (open, model.read_write));
            if !model.replaced {
                prop_assert_eq!(real.state.role(), model.role);
            }
        }
    }

    #[test]
    fn a_session_has_one_operation_of_each_class(acts in acts()) {
        let mut real = Operations::default();
        let mut model = [Place::Empty; OperationClass::ALL.len()];
        let (mut login, mut closed, mut searching) = (0, false, None);
        let (mut looks, mut last_look) = (VecDeque::new(), 0);
        for act in &acts {
            match *act {
                Act::Reserve(class) => {
                    let stale = model[class].begun().is_some_and(|begun| begun != login);
                    let expected = match model[class] {
                        _ if closed => Some(Rv::SessionClosed),
                        _ if stale => None,
                        Place::Empty => None,
                        _ => Some(Rv::OperationActive),
                    };
                    let outcome = real.reserve(OperationClass::ALL[class], login);
                    prop_assert_eq!(outcome.as_ref().is_ok_and(Option::is_some), stale);
                    prop_assert_eq!(rv(outcome), expected);
                    if expected.is_none() {
                        model[class] = Place::Out(login);
                    }
                }
                Act::Take(class) => {
                    let expected = match model[class] {
                        Place::Here(begun) if begun == login => None,
                        Place::Waiting(begun, _) if begun == login => Some(Rv::OperationActive),
                        Place::Empty if closed => Some(Rv::SessionClosed),
                        Place::Here(_) | Place::Waiting(..) | Place::Empty => Some(Rv::OperationNotInitialized),
                        Place::Out(_) => Some(Rv::OperationActive),
                    };
                    prop_assert_eq!(rv(real.take(OperationClass::ALL[class], login)), expected);
                    if expected.is_none() {
                        model[class] = Place::Out(login);
                    }
                }
                // Only what is out comes back, or ends.
                Act::PutBack(class) | Act::End(class) | Act::Leave(class) => {
                    if let Place::Out(begun) = model[class] {
                        let waiting = || Waiting::new(Box::new(Never), None, Ending::Single, None);
                        let (active, place) = match act {
                            Act::PutBack(_) => (Some(Active::new(Box::new(Nothing), Some(begun))), Place::Here(begun)),
                            Act::Leave(_) => (Some(Active::waits(waiting(), Some(begun))), Place::Waiting(begun, None)),
                            _ => (None, Place::Empty),
                        };
                        let unwanted = active.is_some() && (closed || begun != login);
                        let handed_back = real.put_back(OperationClass::ALL[class], active, login).is_some();
                        prop_assert_eq!(handed_back, unwanted);
                        model[class] = if unwanted { Place::Empty } else { place };
                    }
                }
                Act::Look(class) => {
                    let expected = match model[class] {
                        Place::Waiting(begun, Some(_)) if begun == login => Some(Rv::Pending),
                        Place::Waiting(begun, None) if begun == login => None,
                        _ if closed => Some(Rv::SessionClosed),
                        _ => Some(Rv::OperationNotInitialized),
                    };
                    let stale = matches!(model[class], Place::Waiting(begun, _) if begun != login);
                    let activity = OperationClass::ALL[class].into();
                    let waits = real.is_waiting(activity, Ending::Single, login);
                    prop_assert_eq!(waits, matches!(expected, None | Some(Rv::Pending)));
                    prop_assert!(!real.is_waiting(activity, Ending::Finish, login), "another function");
                    let other = real.look(activity, Ending::Finish, login).err();
                    prop_assert!(other.is_some_and(|refused| refused.ended.is_none()), "another function");
                    last_look += 1;
                    match real.look(activity, Ending::Single, login) {
                        Ok(look) => {
                            prop_assert_eq!(expected, None);
                            model[class] = Place::Waiting(login, Some(last_look));
                            looks.push_back((class, last_look, look));
                        }
                        Err(refused) => {
                            prop_assert_eq!(Some(refused.rv), expected);
                            prop_assert_eq!(refused.ended.is_some(), stale);
                            if stale {
                                model[class] = Place::Empty;
                            }
                        }
                    }
                }
                Act::LookAway => {
                    if let Some((class, number, look)) = looks.pop_front() {
                        let handed_back = real.look_away(OperationClass::ALL[class].into(), look).is_some();
                        match model[class] {
                            Place::Waiting(begun, Some(lent)) if lent == number => {
                                prop_assert!(!handed_back);
                                model[class] = Place::Waiting(begun, None);
                            }
                            _ => prop_assert!(handed_back),
                        }
                    }
                }
                Act::Conclude => {
                    if let Some((class, number, look)) = looks.pop_front() {
                        let mine = matches!(model[class], Place::Waiting(_, Some(lent)) if lent == number);
                        let expected = match model[class].begun() {
                            _ if closed => Some(Rv::SessionClosed),
                            Some(begun) if mine && begun == login => None,
                            _ => Some(Rv::OperationNotInitialized),
                        };
                        let outcome = real.conclude(OperationClass::ALL[class].into(), look.number(), login);
                        prop_assert_eq!(outcome.as_ref().err().map(|refused| refused.rv), expected);
                        let ended = outcome.err().is_some_and(|refused| refused.ended.is_some());
                        prop_assert_eq!(ended, mine && expected.is_some());
                        if mine {
                            model[class] = Place::Empty;
                        }
                    }
                }
                Act::EndStale => {
                    let stale = |place: &Place| place.begun().is_some_and(|begun| begun != login);
                    let expected = model.iter().filter(|place| stale(place)).count();
                    prop_assert_eq!(real.end_stale(login).len(), expected);
                    model.iter_mut().filter(|place| stale(place)).for_each(|place| *place = Place::Empty);
                }
                Act::Cancel(class) => {
                    let out = matches!(model[class], Place::Out(_));
                    let outcome = rv(real.cancel(OperationClass::ALL[class]));
                    prop_assert_eq!(outcome, out.then_some(Rv::OperationCancelFailed));
                    if !out {
                        model[class] = Place::Empty;
                    }
                }
                Act::Replace(class) => {
                    let out = model.iter().any(|place| matches!(place, Place::Out(_)));
                    let expected = if closed { Some(Rv::SessionClosed) } else { out.then_some(Rv::OperationActive) };
                    let active = Active::new(Box::new(Nothing), Some(login));
                    prop_assert_eq!(rv(real.replace(OperationClass::ALL[class], active)), expected);
                    if expected.is_none() {
                        (model, searching) = ([Place::Empty; OperationClass::ALL.len()], None);
                        model[class] = Place::Here(login);
                    }
                }
                Act::Only => {
                    let active = |place: &Place| match *place {
                        Place::Empty => false,
                        Place::Here(begun) | Place::Waiting(begun, _) => begun == login,
                        Place::Out(_) => true,
                    };
                    let waits = |class: OperationClass| matches!(model[class as usize], Place::Waiting(..));
                    let classes = OperationClass::ALL.into_iter().zip(&model);
                    let active: Vec<_> = classes.filter(|(_, place)| active(place)).map(|(class, _)| class).collect();
                    let expected = match active[..] {
                        [] => Err(Rv::OperationNotInitialized),
                        [class] if waits(class) => Err(Rv::StateUnsaveable),
                        [class] => Ok(class),
                        _ => Err(Rv::StateUnsaveable),
                    };
                    prop_assert_eq!(real.only(login).map_err(|error| error.rv()), expected);
                }
                Act::Logout => login += 1,
                Act::Close => {
                    drop(real.close());
                    (closed, searching) = (true, None);
                    model.iter_mut().filter(|place| !matches!(place, Place::Out(_))).for_each(|p| *p = Place::Empty);
                }
                Act::Search => {
                    let outcome = rv(real.begin_search(vec![ObjectId(1)], login, login));
                    prop_assert_eq!(outcome, (searching == Some(login)).then_some(Rv::OperationActive));
                    searching = Some(login);
                }
                Act::EndSearch => {
                    let expected = searching.take() == Some(login);
                    prop_assert_eq!(real.search(login).is_ok(), expected);
                    prop_assert_eq!(real.end_search(login), expected);
                }
            }
        }
    }
}

#[test]
fn an_operation_that_takes_the_place_of_all_ends_everything_else() {
    let mut operations = Operations::default();
    for activity in Activity::all() {
        assert!(operations.reserve(activity, 0).unwrap().is_none());
    }
    let new = || Active::new(Box::new(Nothing), None);
    for activity in Activity::all() {
        let refused = operations.replace(OperationClass::Digest, new());
        assert_eq!(rv(refused), Some(Rv::OperationActive), "{activity:?} is out");
        assert!(operations.put_back(activity, Some(new()), 0).is_none());
    }
    operations.begin_search(vec![ObjectId(1)], 0, 0).unwrap();
    let ended = operations.replace(OperationClass::Digest, new()).unwrap();
    assert_eq!(ended.len(), Activity::all().count());
    assert_eq!(operations.only(0).unwrap(), OperationClass::Digest);
    assert_eq!(rv(operations.search(0)), Some(Rv::OperationNotInitialized));
    for activity in Activity::all().filter(|activity| *activity != OperationClass::Digest.into()) {
        assert_eq!(
            rv(operations.take(activity, 0)),
            Some(Rv::OperationNotInitialized)
        );
    }
}
