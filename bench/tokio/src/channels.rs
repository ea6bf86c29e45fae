//! mpsc to and fro, mpsc as a stream, broadcast.

use tokio::sync::{broadcast as tokio_broadcast, mpsc, watch as tokio_watch};
use tokio::task::{spawn, yield_now};

use crate::watch;

pub async fn ping_pong(n: usize) -> usize {
    let (there, mut at_the_other) = mpsc::channel(1);
    let (back, mut here) = mpsc::channel(1);
    let other = spawn(async move {
        for _ in 0..n {
            let value: usize = at_the_other.recv().await.unwrap();
            back.send(value).await.unwrap();
        }
    });
    yield_now().await;
    let started = watch::start();
    for i in 0..n {
        there.send(i).await.unwrap();
        here.recv().await.unwrap();
    }
    started.stop();
    other.await.unwrap();
    n
}

pub async fn channel(n: usize) -> usize {
    let (sender, mut receiver) = mpsc::channel(100);
    let other = spawn(async move {
        for i in 0..n {
            sender.send(i).await.unwrap();
        }
    });
    let started = watch::start();
    for _ in 0..n {
        receiver.recv().await.unwrap();
    }
    started.stop();
    other.await.unwrap();
    n
}

const RECEIVERS: usize = 100;

pub async fn broadcast(n: usize) -> usize {
    let values = (n / RECEIVERS).max(1);
    let (sender, _) = tokio_broadcast::channel(16);
    let tasks: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let mut receiver = sender.subscribe();
            spawn(async move {
                for _ in 0..values {
                    receiver.recv().await.unwrap();
                }
            })
        })
        .collect();
    yield_now().await;
    let started = watch::start();
    for i in 0..values {
        sender.send(i).unwrap();
        yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    started.stop();
    values * RECEIVERS
}

pub async fn latest(n: usize) -> usize {
    let values = (n / RECEIVERS).max(1);
    let (sender, receiver) = tokio_watch::channel(0);
    let tasks: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let mut receiver = receiver.clone();
            spawn(async move {
                while *receiver.borrow_and_update() < values {
                    receiver.changed().await.unwrap();
                }
            })
        })
        .collect();
    yield_now().await;
    let started = watch::start();
    for i in 1..=values {
        sender.send(i).unwrap();
        yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    started.stop();
    values * RECEIVERS
}

pub async fn memory(n: usize) -> usize {
    let mut channels = Vec::with_capacity(n);
    let before = watch::allocated();
    channels.extend((0..n).map(|_| mpsc::channel::<usize>(16)));
    watch::add_bytes(watch::allocated() - before);
    n
}
