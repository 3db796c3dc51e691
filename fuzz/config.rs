//! Any bytes as the configuration file: its mistakes, or a plan that arrives.

/// One input.
pub fn run(data: &[u8]) {
    config_reader::exercise(data);
}
