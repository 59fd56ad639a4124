// SPDX-License-Identifier: MIT
//! What a case is, and what it may need of a module.

use crate::abilities::Abilities;
use crate::profiles;
use cryptoki_sys::CK_MECHANISM_TYPE;
use keyenclave_conformance::case::is_present;
use keyenclave_conformance::token::CURVES;

/// One black-box case.
pub struct Case {
    /// Its stable name: words and numbers, with dots from the general to the particular.
    pub id: &'static str,
    /// The name of the function that is it, which is a sentence.
    pub function: &'static str,
    /// The section of PKCS#11 3.2 that it is about, by its heading: numbers change between versions.
    pub section: &'static str,
    /// The mechanisms that the token must list.
    pub mechanisms: &'static [(CK_MECHANISM_TYPE, &'static str)],
    /// What else it needs.
    pub needs: &'static [Need],
    /// The case: panics if the module is wrong.
    pub run: fn(),
}

/// What a case may need besides mechanisms. A module that lacks it has the case skipped, with the reason.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// A token that comes without having been initialised.
    Blank,
    /// The curve with this place in [`CURVES`]: modules list no curves, so it is tried beforehand.
    Curve(usize),
    /// Data objects on the token.
    Data,
    /// This function. Modules list all functions, so it shows when the case calls it.
    Function(&'static str),
    /// The files of the OASIS profiles' test cases.
    Oasis,
    /// A security officer who can log in to a token that has a user's PIN.
    Officer,
    /// KeyEnclave's own module: the case is about a choice that the specification leaves open.
    Own,
    /// A program on the path.
    Program(&'static str),
    /// `C_GetOperationState` of a digest: a module may say that it can save none.
    SavedState,
    /// More than one session at a time.
    Sessions,
    /// A token that tells how many sessions are open.
    SessionCounts,
    /// This major version of the specification, by what `C_GetInfo` says.
    Since(u8),
}

impl Case {
    /// The sentence that it holds the module to.
    pub fn sentence(&self) -> String {
        let name = self.function.split("::<").next().unwrap_or(self.function);
        name.replace('_', " ")
    }

    /// Whether this machine lacks what the case needs beside a module.
    pub fn lacks_tools(&self) -> bool {
        self.needs.iter().any(|need| match need {
            Need::Oasis => profiles::directory().is_none(),
            Need::Program(name) => !is_present(name),
            _ => false,
        })
    }

    /// Why a module with these abilities cannot be held to it.
    pub fn unmet(&self, abilities: &Abilities) -> Option<String> {
        let lists = |kind: &CK_MECHANISM_TYPE| abilities.mechanisms.contains(kind);
        let mechanism = self.mechanisms.iter().find(|(kind, _)| !lists(kind));
        if let Some((_, name)) = mechanism {
            return Some(format!("the token does not list {name}"));
        }
        self.needs.iter().find_map(|need| need.unmet(abilities))
    }

    /// The functions that it needs.
    pub fn functions(&self) -> impl Iterator<Item = &'static str> {
        self.needs.iter().filter_map(|need| match need {
            Need::Function(name) => Some(*name),
            _ => None,
        })
    }
}

impl Need {
    fn unmet(self, abilities: &Abilities) -> Option<String> {
        let (met, reason) = match self {
            Self::Blank => (abilities.blank, "the token comes initialised".to_owned()),
            Self::Curve(place) => (
                abilities.curves.get(place).copied().unwrap_or_default(),
                format!("no key pair can be made on {}", CURVES[place].2),
            ),
            Self::Data => (abilities.data, "the token stores no data objects".to_owned()),
            Self::Function(_) => (true, String::new()),
            Self::Oasis if abilities.behind => (
                false,
                "the token is another module's, held to them alone".to_owned(),
            ),
            Self::Oasis => (
                profiles::directory().is_some(),
                "the test cases of the OASIS profiles are not here: KEYENCLAVE_OASIS names their directory"
                    .to_owned(),
            ),
            Self::Officer => (
                abilities.officer,
                "the security officer cannot log in beside a user's PIN".to_owned(),
            ),
            Self::Own => (abilities.own, "about KeyEnclave's own module".to_owned()),
            Self::Program(name) => (is_present(name), format!("{name} is not installed")),
            Self::SavedState => (
                abilities.saved_state,
                "the state of a digest cannot be saved".to_owned(),
            ),
            Self::SessionCounts => (
                abilities.session_counts,
                "the token does not tell how many sessions are open".to_owned(),
            ),
            Self::Sessions => (abilities.sessions, "only one session can be open".to_owned()),
            Self::Since(major) => (
                abilities.major >= major,
                format!(
                    "the module is of version {}, the case of {major}",
                    abilities.major
                ),
            ),
        };
        (!met).then_some(reason)
    }
}

/// Rows of cases: `"id" => function, "section", [mechanisms], [needs];`. Makes the constant `CASES`.
macro_rules! cases {
    ($($id:literal => $run:expr, $section:literal, [$($mechanism:ident),*], [$($need:expr),*];)*) => {
        /// The cases of this file.
        pub const CASES: &[crate::case::Case] = &[$(crate::case::Case {
            id: $id,
            function: stringify!($run),
            section: $section,
            mechanisms: &[$(($mechanism, stringify!($mechanism))),*],
            needs: &[$($need),*],
            run: $run,
        }),*];
    };
}
pub(crate) use cases;
