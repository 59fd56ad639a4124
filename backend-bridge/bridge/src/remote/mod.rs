//! RemoteToken.
