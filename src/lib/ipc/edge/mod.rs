//! One file per edge of the house: the two enums that cross it, and in which
//! order. A process can send only what its edge's enum has; what may come when
//! is said at each enum, and anything else ends the sender.
//!
//! | file | between | over |
//! |---|---|---|
//! | [`supervisor`] | the supervisor and every process that it starts | the channel at fd 3 |
//! | [`config`] | `config` and the supervisor | fd 3, once |
//! | [`front_service`] | `front` and `login` or `lmtp` | a channel each |
//! | [`front_keyholder`] | `front` and `keyholder` | a channel each |
//! | [`front_auth`] | `front` to `auth`, one way | a channel each |
//! | [`login_auth`] | `login` and `auth` | a channel each |
//! | [`lmtp_auth`] | `lmtp` and `auth` | a channel |
//! | [`auth_director`] | `auth` and `director` | a channel |
//! | [`handover`] | `login`, `lmtp` or `control`, and `director` | a channel each |
//! | [`director_broker`] | `director` and `broker` | a channel |
//! | [`director_worker`] | `director` and a worker | a channel each, fd 3 of the worker |
//! | [`birth`] | `broker` to a worker or verifier, one message | fd 4 of the newborn |
//! | [`delivery`] | `lmtp` and a worker | a pair for each letter and recipient |
//! | [`task`] | `control` and a worker | a pair for each task |
//! | [`verify`] | a verifier to `control` | a pair for each check, fd 3 of the verifier |
//! | [`admin`] | the `mailkeep` command and `control` | the admin socket |
//! | [`control_auth`] | `control` and `auth` | a channel |
//! | [`control_supervisor`] | `control` and the supervisor | a channel |
//! | [`control_director`] | `control` and `director` | a channel |

pub mod admin;
pub mod auth_director;
pub mod birth;
pub mod config;
pub mod control_auth;
pub mod control_director;
pub mod control_supervisor;
pub mod delivery;
pub mod director_broker;
pub mod director_worker;
pub mod front_auth;
pub mod front_keyholder;
pub mod front_service;
pub mod handover;
pub mod lmtp_auth;
pub mod login_auth;
pub mod supervisor;
pub mod task;
pub mod verify;
