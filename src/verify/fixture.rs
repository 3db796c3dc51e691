//! Accounts for the tests, byte by byte.
