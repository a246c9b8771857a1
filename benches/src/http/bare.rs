//! The floor: `pingora-proxy` with nothing but an upstream.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::{Outcome, machine};

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr, upstream: SocketAddr) -> Outcome<()> {
    // Pingora makes a TLS client whether it is used or not.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = machine::target_folder()?.join("bench");
    let mut server = Server::new_with_opt_and_conf(None, settings(&folder));
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever()
}

fn settings(folder: &Path) -> ServerConf {
    let file = |name: &str| folder.join(name).display().to_string();
    ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 512,
        pid_file: file("bare.pid"),
        upgrade_sock: file("bare.sock"),
        ..ServerConf::default()
    }
}

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _context: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}
