//! A server that echoes, and ten clients; and what guards a request.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::Notify;
use tokio::task::spawn;
use tokio::time::timeout;

use crate::watch;

pub const CLIENTS: usize = 10;
const MESSAGE: [u8; 1024] = [b'x'; 1024];

/// What each request is made under.
#[derive(Clone)]
pub enum Guard {
    Plain,
    Timeout,
    /// A signal to stop, which never comes.
    Race(Arc<Notify>),
}

impl Guard {
    pub fn race() -> Guard {
        Guard::Race(Arc::new(Notify::new()))
    }

    pub async fn run(&self, work: impl Future<Output = ()>) {
        match self {
            Guard::Plain => work.await,
            Guard::Timeout => timeout(Duration::from_secs(5), work).await.unwrap(),
            Guard::Race(stop) => select! {
                _ = work => {}
                _ = stop.notified() => {}
            },
        }
    }
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.unwrap();
    }
}

async fn request(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    stream.write_all(&MESSAGE).await.unwrap();
    stream.read_exact(&mut buffer).await.unwrap();
}

pub async fn echo(n: usize, guard: Guard) -> usize {
    let each = n.div_ceil(CLIENTS);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            spawn(serve(stream));
        }
    });
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let started = watch::start();
    let clients: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let guard = guard.clone();
            spawn(async move {
                for _ in 0..each {
                    guard.run(request(&mut stream)).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    started.stop();
    server.abort();
    each * CLIENTS
}
