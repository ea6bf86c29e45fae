//! switch, spawn, cancel, a tree of tasks, and what a task and a process cost.

use std::future::pending;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use tokio::task::{spawn, yield_now, JoinHandle, JoinSet};

use crate::{watch, Ops};

pub async fn switch(n: usize) -> usize {
    let going = Arc::new(AtomicBool::new(true));
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            let going = going.clone();
            spawn(async move {
                while going.load(Relaxed) {
                    yield_now().await;
                }
            })
        })
        .collect();
    yield_now().await;
    let rounds = (20_000 / n).max(10);
    let started = watch::start();
    for _ in 0..rounds {
        yield_now().await;
    }
    started.stop();
    going.store(false, Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    rounds * (n + 1)
}

pub async fn spawn_join(n: usize) -> usize {
    let started = watch::start();
    let tasks: Vec<JoinHandle<()>> = (0..n).map(|_| spawn(async {})).collect();
    for task in tasks {
        task.await.unwrap();
    }
    started.stop();
    n
}

pub async fn spawn_cancel_join(n: usize) -> usize {
    let started = watch::start();
    let tasks: Vec<JoinHandle<()>> = (0..n).map(|_| spawn(pending())).collect();
    yield_now().await;
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    started.stop();
    n
}

/// Counts what was dropped: the cleanup of a task.
struct Cleanup(Arc<AtomicUsize>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

pub async fn cancel(n: usize, one_by_one: bool) -> usize {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<JoinHandle<()>> = (0..n)
        .map(|_| {
            let cleanup = Cleanup(cleaned.clone());
            spawn(async move {
                let _cleanup = cleanup;
                pending().await
            })
        })
        .collect();
    yield_now().await;
    let started = watch::start();
    if one_by_one {
        for task in tasks {
            task.abort();
            assert!(task.await.is_err());
        }
    } else {
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            assert!(task.await.is_err());
        }
    }
    started.stop();
    cleaned.load(Relaxed)
}

const WIDTH: usize = 10;

fn node(depth: u32, ends: Arc<AtomicUsize>, parks: bool) -> Ops {
    Box::pin(async move {
        let mut group = JoinSet::new();
        for number in 0..WIDTH {
            let ends = ends.clone();
            if depth > 1 {
                group.spawn(node(depth - 1, ends, parks));
            } else {
                group.spawn(async move {
                    if parks && number % 2 == 1 {
                        pending::<()>().await;
                    }
                    yield_now().await;
                    ends.fetch_sub(1, Relaxed);
                    0
                });
            }
        }
        while group.join_next().await.is_some() {}
        0
    })
}

/// Half-way canceled, or joined to its end. An aborted task only asks its children to go, so the end is when the last of them has let go of
/// the counter.
pub async fn tree(n: usize, canceled: bool) -> usize {
    let mut depth = 1;
    while WIDTH.pow(depth + 1) <= n {
        depth += 1;
    }
    let leaves = WIDTH.pow(depth);
    let ends = Arc::new(AtomicUsize::new(if canceled { leaves / 2 } else { leaves }));
    let started = watch::start();
    let root = spawn(node(depth, ends.clone(), canceled));
    while canceled && ends.load(Relaxed) > 0 {
        yield_now().await;
    }
    if canceled {
        root.abort();
    }
    assert_eq!(root.await.is_err(), canceled);
    while Arc::strong_count(&ends) > 1 {
        yield_now().await;
    }
    started.stop();
    (0..=depth).map(|level| WIDTH.pow(level)).sum()
}

pub async fn memory(n: usize) -> usize {
    let mut tasks: Vec<JoinHandle<()>> = Vec::with_capacity(n);
    let before = watch::allocated();
    tasks.extend((0..n).map(|_| spawn(pending())));
    yield_now().await;
    watch::add_bytes(watch::allocated() - before);
    for task in tasks {
        task.abort();
        assert!(task.await.is_err());
    }
    n
}

pub async fn start_up(n: usize) -> usize {
    let program = std::env::current_exe().unwrap();
    for _ in 0..n {
        let children = children_cpu();
        let started = std::time::Instant::now();
        assert!(Command::new(&program)
            .arg("--nothing")
            .status()
            .unwrap()
            .success());
        watch::add(started.elapsed().as_secs_f64(), children_cpu() - children);
    }
    n
}

fn children_cpu() -> f64 {
    // SAFETY: a struct of integers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
