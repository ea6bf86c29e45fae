//! Answers as `bench/worker.py` does: for each line `SUBJECT SIZE SECONDS GC`, a line of JSON.
//!
//! Everything runs in tasks of one current-thread runtime; so does what measures, since what
//! `block_on` is given is polled at another pace than tasks are.

mod channels;
mod combinators;
#[cfg(feature = "http")]
mod http;
mod network;
mod primitives;
mod tasks;
mod watch;

use std::future::Future;
use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::time::Instant;

use network::Guard;

pub type Ops = Pin<Box<dyn Future<Output = usize> + Send>>;

/// Returns what does a subject's work at a size; None: tokio has no such thing.
fn body(subject: &str, n: usize) -> Option<Ops> {
    Some(match subject {
        "switch" => Box::pin(tasks::switch(n)),
        "spawn_join" => Box::pin(tasks::spawn_join(n)),
        "spawn_cancel_join" => Box::pin(tasks::spawn_cancel_join(n)),
        "cancel_latency" => Box::pin(tasks::cancel(n, true)),
        "cancel_parked" => Box::pin(tasks::cancel(n, false)),
        "tree" => Box::pin(tasks::tree(n, true)),
        "tree_join" => Box::pin(tasks::tree(n, false)),
        "task_memory" => Box::pin(tasks::memory(n)),
        "start_up" => Box::pin(tasks::start_up(n)),
        "race2" => Box::pin(combinators::race2(n)),
        "race10" => Box::pin(combinators::race10(n)),
        "timeout" => Box::pin(combinators::timeout(n)),
        "timeout_ready" => Box::pin(combinators::timeout_ready(n)),
        "timeout_parked" => Box::pin(combinators::timeout_parked(n)),
        "timeout_fires" => Box::pin(combinators::timeout_fires(n)),
        "deadline" => Box::pin(combinators::timeout(n)),
        "deadline_nested" => Box::pin(combinators::nested(n)),
        "join2" => Box::pin(combinators::join2(n)),
        "join100" => Box::pin(combinators::join_set(n, 100)),
        "join10000" => Box::pin(combinators::join_set(n, 10_000)),
        "future_set" => Box::pin(combinators::future_set(n)),
        "timers" => Box::pin(combinators::timers(n)),
        "sleep" => Box::pin(combinators::sleep(n)),
        "mutex" => Box::pin(primitives::mutex(n)),
        "semaphore" => Box::pin(primitives::semaphore(n)),
        "mutex_free" => Box::pin(primitives::mutex_free(n)),
        "semaphore_free" => Box::pin(primitives::semaphore_free(n)),
        "rwlock" => Box::pin(primitives::rwlock(n)),
        "event" => Box::pin(primitives::event(n)),
        "notify" => Box::pin(primitives::notify(n)),
        "oneshot" => Box::pin(primitives::oneshot(n)),
        "watch" => Box::pin(channels::latest(n)),
        "ping_pong" => Box::pin(channels::ping_pong(n)),
        "channel" => Box::pin(channels::channel(n)),
        "broadcast" => Box::pin(channels::broadcast(n)),
        "channel_memory" => Box::pin(channels::memory(n)),
        "echo" => Box::pin(network::echo(n, Guard::Plain)),
        "echo_timeout" => Box::pin(network::echo(n, Guard::Timeout)),
        "echo_race" => Box::pin(network::echo(n, Guard::race())),
        #[cfg(feature = "http")]
        "http" => Box::pin(http::http(n, Guard::Plain)),
        #[cfg(feature = "http")]
        "http_timeout" => Box::pin(http::http(n, Guard::Timeout)),
        #[cfg(feature = "http")]
        "http_race" => Box::pin(http::http(n, Guard::race())),
        _ => return None,
    })
}

fn sample(subject: &str, n: usize, seconds: f64) -> Option<usize> {
    drop(body(subject, 1)?); // is there such a thing?
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let subject = subject.to_owned();
    let measuring = async move {
        let mut ops = 0;
        let start = Instant::now();
        loop {
            ops += body(&subject, n)?.await;
            if watch::wall() >= seconds || start.elapsed().as_secs_f64() >= 4.0 * seconds {
                return Some(ops);
            }
        }
    };
    runtime
        .block_on(async { tokio::spawn(measuring).await })
        .expect("a subject that does not panic")
}

fn main() {
    if std::env::args().any(|argument| argument == "--nothing") {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {});
        return;
    }
    let version = option_env!("TOKIO_VERSION").unwrap_or("1");
    let mut output = io::stdout();
    writeln!(output, "{{\"version\": \"{version}\"}}").expect("a reader");
    for line in io::stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        let size: usize = words[1].parse().expect("a size");
        let seconds: f64 = words[2].parse().expect("seconds");
        sample(words[0], size.min(200), 0.0);
        watch::reset();
        let answer = match sample(words[0], size, seconds) {
            Some(ops) => watch::answer(ops),
            None => String::from("{\"skip\": \"tokio has no such thing\"}"),
        };
        writeln!(output, "{answer}").expect("a reader");
    }
}
