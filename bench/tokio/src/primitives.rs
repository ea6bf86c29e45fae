//! n tasks meet at one primitive.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use tokio::sync::{oneshot as tokio_oneshot, Mutex, Notify, RwLock, Semaphore};
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

pub async fn mutex_free(n: usize) -> usize {
    let lock = Mutex::new(());
    let started = watch::start();
    for _ in 0..n {
        let _held = lock.lock().await;
    }
    started.stop();
    n
}

pub async fn semaphore_free(n: usize) -> usize {
    let semaphore = Semaphore::new(10);
    let started = watch::start();
    for _ in 0..n {
        let _permit = semaphore.acquire().await.unwrap();
    }
    started.stop();
    n
}

/// Of ten rounds one writes, and the others read.
pub async fn rwlock(n: usize) -> usize {
    let lock = Arc::new(RwLock::new(()));
    let rounds = rounds(n).max(10);
    together(n, || {
        let lock = lock.clone();
        async move {
            for i in 0..rounds {
                if i % 10 == 9 {
                    let _held = lock.write().await;
                    yield_now().await;
                } else {
                    let _held = lock.read().await;
                    yield_now().await;
                }
            }
        }
    })
    .await;
    n * rounds
}

pub async fn notify(n: usize) -> usize {
    let (notify, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let left = Arc::new(AtomicUsize::new(n));
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            let (notify, done, left) = (notify.clone(), done.clone(), left.clone());
            spawn(async move {
                notify.notified().await;
                if left.fetch_sub(1, Relaxed) == 1 {
                    done.notify_one();
                }
            })
        })
        .collect();
    yield_now().await;
    let started = watch::start();
    for _ in 0..n {
        notify.notify_one();
    }
    done.notified().await;
    started.stop();
    for task in tasks {
        task.await.unwrap();
    }
    n
}

pub async fn oneshot(n: usize) -> usize {
    let done = Arc::new(Notify::new());
    let left = Arc::new(AtomicUsize::new(n));
    let (senders, tasks): (Vec<_>, Vec<_>) = (0..n)
        .map(|_| {
            let (done, left) = (done.clone(), left.clone());
            let (sender, receiver) = tokio_oneshot::channel();
            let task = spawn(async move {
                let _: usize = receiver.await.unwrap();
                if left.fetch_sub(1, Relaxed) == 1 {
                    done.notify_one();
                }
            });
            (sender, task)
        })
        .unzip();
    yield_now().await;
    let started = watch::start();
    for (i, sender) in senders.into_iter().enumerate() {
        sender.send(i).unwrap();
    }
    done.notified().await;
    started.stop();
    for task in tasks {
        task.await.unwrap();
    }
    n
}

pub async fn event(n: usize) -> usize {
    together(n, || async {}).await;
    n
}
