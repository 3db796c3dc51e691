//! More of everything than there is.

use super::Row;

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("memory without end",                                    "12: all"),
    ("memory without end: first to read",                     "12: supervisor broker auth worker"),
    ("memory without end: grown (mremap)",                    "12: all"),
    ("memory without end: the heap (brk)",                    "12: all"),
    ("memory without end: shared",                            ""),
    ("memory without end: downwards",                         ""),
    ("a file in memory",                                      "own: supervisor lmtp"),
    ("descriptors without end: events",                       "24: all; kill: config director keyholder verify"),
    ("descriptors without end: sockets",                      "24: supervisor broker director control front lmtp"),
    ("descriptors without end: waits",                        "24: all; kill: config verify"),
    ("descriptors without end: files",                        "24: supervisor auth lmtp worker verify; 13|24: broker"),
    ("descriptors without end: copies",                       "24: supervisor broker control front login lmtp worker"),
    ("processes without end",                                 "own: supervisor broker"),
    ("threads without end",                                   "own: supervisor broker"),
    ("a file of a terabyte",                                  "own: supervisor broker auth worker"),
];
