// SPDX-License-Identifier: MIT
//! The things of which a session can have one each under way.
//!
//! Apart from [`OperationClass`] because a session has more than operations: work that an asynchronous session waits
//! for need not have had an `Init`.

use cryptoki_sys as ck;
use keyenclave_model::token::OperationClass;

/// One thing that a session can have under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// An operation of this class, from its `Init` to its end.
    Operation(OperationClass),
    /// An operation of this class on messages, from its `Init` to its `Final`.
    Messages(OperationClass),
    /// `C_GenerateKey`, in an asynchronous session.
    GenerateKey,
    /// `C_GenerateKeyPair`, in an asynchronous session.
    GenerateKeyPair,
}

impl Activity {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        let messages = MESSAGES.iter().map(|(class, _)| Self::Messages(*class));
        let operations = OperationClass::ALL.into_iter().map(Self::Operation);
        operations
            .chain(messages)
            .chain([Self::GenerateKey, Self::GenerateKeyPair])
    }

    /// The flag by which `C_SessionCancel` names it.
    pub fn flag(self) -> ck::CK_FLAGS {
        match self {
            Self::Operation(class) => class.flag(),
            Self::Messages(class) => MESSAGES
                .iter()
                .find(|(of, _)| *of == class)
                .map_or(0, |(_, flag)| *flag),
            Self::GenerateKey => ck::CKF_GENERATE,
            Self::GenerateKeyPair => ck::CKF_GENERATE_KEY_PAIR,
        }
    }
}

/// The operations on messages that there are.
const MESSAGES: [(OperationClass, ck::CK_FLAGS); 4] = [
    (OperationClass::Encrypt, ck::CKF_MESSAGE_ENCRYPT),
    (OperationClass::Decrypt, ck::CKF_MESSAGE_DECRYPT),
    (OperationClass::Sign, ck::CKF_MESSAGE_SIGN),
    (OperationClass::Verify, ck::CKF_MESSAGE_VERIFY),
];

impl From<OperationClass> for Activity {
    fn from(class: OperationClass) -> Self {
        Self::Operation(class)
    }
}
