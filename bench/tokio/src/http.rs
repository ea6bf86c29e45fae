//! A hyper server, and ten clients that share a hyper client.

use std::convert::Infallible;

use hyper::client::HttpConnector;
use hyper::service::{make_service_fn, service_fn};
use hyper::{body, Body, Client, Request, Response, Server, Uri};
use tokio::task::spawn;

use crate::network::{Guard, CLIENTS};
use crate::watch;

async fn handle(_request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("ok")))
}

async fn request(client: &Client<HttpConnector>, uri: &Uri) {
    let response = client.get(uri.clone()).await.unwrap();
    assert_eq!(body::to_bytes(response.into_body()).await.unwrap(), "ok");
}

pub async fn http(n: usize, guard: Guard) -> usize {
    let each = n.div_ceil(CLIENTS);
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(handle)) });
    let server = Server::bind(&([127, 0, 0, 1], 0).into())
        .tcp_nodelay(true)
        .serve(service);
    let uri: Uri = format!("http://{}/", server.local_addr()).parse().unwrap();
    let server = spawn(server);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder().build(connector);
    request(&client, &uri).await;
    let started = watch::start();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, uri, guard) = (client.clone(), uri.clone(), guard.clone());
            spawn(async move {
                for _ in 0..each {
                    guard.run(request(&client, &uri)).await;
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
