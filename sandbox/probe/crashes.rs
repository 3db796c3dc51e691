//! Dying of a fault of one's own, as any program may: not of the filter, which would
//! hide what it was.

use std::hint::black_box;

/// Dies as ordered, if that is an order to die.
pub fn crash(order: &str) {
    match order {
        "panic" => panic(),
        "fault" => fault(),
        "run out of heap" => drop(black_box(Vec::<u8>::with_capacity(black_box(1 << 44)))),
        "run out of stack" => drop(black_box(descend(black_box(1)))),
        _ => {}
    }
}

#[expect(clippy::panic, reason = "it is what is tried")]
fn panic() {
    panic!("on purpose");
}

fn fault() {
    let nowhere = std::ptr::without_provenance::<u8>(8);
    // SAFETY: there is nothing at address 8 in any process (vm.mmap_min_addr), so the
    // kernel ends this one, which is the purpose.
    black_box(unsafe { nowhere.read_volatile() });
}

/// Never comes back: below each frame is another.
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if frame[0] == u64::MAX {
        return depth;
    }
    black_box(descend(black_box(depth + 1))) + frame[0]
}
