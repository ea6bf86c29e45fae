//! race, timeout, join, sets, timers. Children of `select!` and `join!` are polled in the parent's
//! task, as rescind's are; where the number of children is not in the code, tokio has `JoinSet`, whose
//! children are tasks.

use std::future::{pending, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{spawn, yield_now, JoinSet};
use tokio::time;

use crate::watch;

const MINUTE: Duration = Duration::from_secs(60);

async fn winner() -> i32 {
    yield_now().await;
    1
}

async fn loser() -> i32 {
    pending().await
}

pub async fn race2(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        let result = tokio::select! { a = winner() => a, b = loser() => b };
        assert_eq!(result, 1);
    }
    started.stop();
    n
}

pub async fn race10(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        let result = tokio::select! {
            a = winner() => a, b = loser() => b, c = loser() => c, d = loser() => d, e = loser() => e,
            f = loser() => f, g = loser() => g, h = loser() => h, i = loser() => i, j = loser() => j,
        };
        assert_eq!(result, 1);
    }
    started.stop();
    n
}

pub async fn timeout(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        time::timeout(MINUTE, yield_now()).await.unwrap();
    }
    started.stop();
    n
}

pub async fn timeout_ready(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        time::timeout(MINUTE, async {}).await.unwrap();
    }
    started.stop();
    n
}

pub async fn timeout_parked(n: usize) -> usize {
    let waiting: Arc<Mutex<Vec<Arc<Notify>>>> = Arc::default();
    let going = Arc::new(AtomicBool::new(true));
    let other = spawn({
        let (waiting, going) = (waiting.clone(), going.clone());
        async move {
            while going.load(Relaxed) {
                let next = waiting.lock().unwrap().pop();
                if let Some(event) = next {
                    event.notify_one();
                }
                yield_now().await;
            }
        }
    });
    let started = watch::start();
    for _ in 0..n {
        let work = async {
            let event = Arc::new(Notify::new());
            waiting.lock().unwrap().push(event.clone());
            event.notified().await;
        };
        time::timeout(MINUTE, work).await.unwrap();
    }
    started.stop();
    going.store(false, Relaxed);
    other.await.unwrap();
    n
}

pub async fn timeout_fires(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        assert!(time::timeout(Duration::ZERO, pending::<()>())
            .await
            .is_err());
    }
    started.stop();
    n
}

fn under(depth: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            yield_now().await;
        } else {
            time::timeout(MINUTE, under(depth - 1)).await.unwrap();
        }
    })
}

pub async fn nested(n: usize) -> usize {
    let started = watch::start();
    for _ in 0..n {
        under(10).await;
    }
    started.stop();
    n
}

fn events(n: usize) -> Vec<Arc<Notify>> {
    (0..n).map(|_| Arc::new(Notify::new())).collect()
}

pub async fn join2(n: usize) -> usize {
    let times = (n / 2).max(1);
    for _ in 0..times {
        let events = events(2);
        let (a, b) = (events[0].clone(), events[1].clone());
        let joined = spawn(async move {
            tokio::join!(a.notified(), b.notified());
        });
        yield_now().await;
        let started = watch::start();
        for event in &events {
            event.notify_one();
            yield_now().await;
        }
        joined.await.unwrap();
        started.stop();
    }
    2 * times
}

pub async fn join_set(n: usize, width: usize) -> usize {
    let width = width.min(n);
    let times = (n / width).max(1);
    for _ in 0..times {
        let events = events(width);
        let children = events.clone();
        let joined = spawn(async move {
            let mut set = JoinSet::new();
            for event in children {
                set.spawn(async move { event.notified().await });
            }
            while set.join_next().await.is_some() {}
        });
        for _ in 0..3 {
            yield_now().await;
        }
        let started = watch::start();
        for event in &events {
            event.notify_one();
            yield_now().await;
        }
        joined.await.unwrap();
        started.stop();
    }
    times * width
}

pub async fn future_set(n: usize) -> usize {
    let events = events(n);
    let mut set = JoinSet::new();
    for event in &events {
        let event = event.clone();
        set.spawn(async move { event.notified().await });
    }
    yield_now().await;
    let started = watch::start();
    for event in &events {
        event.notify_one();
        set.join_next().await.unwrap().unwrap();
    }
    started.stop();
    n
}

pub async fn timers(n: usize) -> usize {
    let event = Arc::new(Notify::new());
    let started = watch::start();
    let tasks: Vec<_> = (0..n)
        .map(|i| {
            let event = event.clone();
            let after = MINUTE + Duration::from_millis(i as u64);
            spawn(async move { time::timeout(after, event.notified()).await.unwrap() })
        })
        .collect();
    yield_now().await;
    event.notify_waiters();
    for task in tasks {
        task.await.unwrap();
    }
    started.stop();
    n
}

pub async fn sleep(n: usize) -> usize {
    let started = watch::start();
    let tasks: Vec<_> = (0..n)
        .map(|_| spawn(time::sleep(Duration::from_millis(1))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    started.stop();
    n
}
