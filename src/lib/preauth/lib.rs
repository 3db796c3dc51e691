//! preauth
