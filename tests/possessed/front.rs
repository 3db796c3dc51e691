//! `front`, taken over.
