//! n tasks meet at one primitive.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::{spawn, yield_now};

use crate::watch;

/// Measures from when n tasks may do their work until the last has done it.
async fn together<W, F>(n: usize, work: W)
where
    W: Fn() -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let (gate, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let left = Arc::new(AtomicUsize::new(n));
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            let (gate, done, left, work) = (gate.clone(), done.clone(), left.clone(), work());
            spawn(async move {
                gate.notified().await;
                work.await;
                if left.fetch_sub(1, Relaxed) == 1 {
                    done.notify_one();
                }
            })
        })
        .collect();
    yield_now().await;
    let started = watch::start();
    gate.notify_waiters();
    done.notified().await;
    started.stop();
    for task in tasks {
        task.await.unwrap();
    }
}

fn rounds(n: usize) -> usize {
    (5_000 / n).max(1)
}

pub async fn mutex(n: usize) -> usize {
    let lock = Arc::new(Mutex::new(()));
    together(n, || {
        let lock = lock.clone();
        async move {
            for _ in 0..rounds(n) {
                let _held = lock.lock().await;
                yield_now().await;
            }
        }
    })
    .await;
    n * rounds(n)
}

pub async fn semaphore(n: usize) -> usize {
    let semaphore = Arc::new(Semaphore::new(10));
    together(n, || {
        let semaphore = semaphore.clone();
        async move {
            for _ in 0..rounds(n) {
                let _permit = semaphore.acquire().await.unwrap();
                yield_now().await;
            }
        }
    })
    .await;
    n * rounds(n)
}

pub async fn event(n: usize) -> usize {
    together(n, || async {}).await;
    n
}
