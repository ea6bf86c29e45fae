//! Adds up time, by two clocks, and bytes. One thread, so that a thread's cells will do.

use std::cell::Cell;
use std::time::Instant;

#[derive(Clone, Copy)]
struct Sum {
    wall: f64,
    cpu: f64,
    amount: f64,
}

const NOTHING: Sum = Sum {
    wall: 0.0,
    cpu: 0.0,
    amount: 0.0,
};

thread_local! {
    static SUM: Cell<Sum> = const { Cell::new(NOTHING) };
}

/// Runs until `stop`.
pub struct Started {
    wall: Instant,
    cpu: f64,
}

fn cpu() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it only writes to the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

pub fn start() -> Started {
    let cpu = cpu();
    Started {
        wall: Instant::now(),
        cpu,
    }
}

impl Started {
    pub fn stop(self) {
        let wall = self.wall.elapsed().as_secs_f64();
        add(wall, cpu() - self.cpu);
    }
}

pub fn add(wall: f64, cpu: f64) {
    SUM.with(|sum| {
        let before = sum.get();
        sum.set(Sum {
            wall: before.wall + wall,
            cpu: before.cpu + cpu,
            ..before
        });
    });
}

pub fn add_bytes(bytes: f64) {
    SUM.with(|sum| {
        let before = sum.get();
        sum.set(Sum {
            amount: before.amount + bytes,
            ..before
        });
    });
}

pub fn wall() -> f64 {
    SUM.with(Cell::get).wall
}

pub fn reset() {
    SUM.with(|sum| sum.set(NOTHING));
}

pub fn answer(ops: usize) -> String {
    let Sum { wall, cpu, amount } = SUM.with(Cell::get);
    format!("{{\"ops\": {ops}, \"wall\": {wall:e}, \"cpu\": {cpu:e}, \"amount\": {amount}}}")
}

/// What the allocator has handed out.
pub fn allocated() -> f64 {
    #[repr(C)]
    struct Mallinfo2 {
        arena: usize,
        ordblks: usize,
        smblks: usize,
        hblks: usize,
        hblkhd: usize,
        usmblks: usize,
        fsmblks: usize,
        uordblks: usize,
        fordblks: usize,
        keepcost: usize,
    }
    extern "C" {
        fn mallinfo2() -> Mallinfo2;
    }
    // SAFETY: glibc's, since 2.33; it has no preconditions.
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}
