//! A PostgreSQL server for one comparison, with its data under the bench folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use allonym_servers::postgres::{Cluster, programs, stop};

use crate::Outcome;

/// A server that ends with this value. It writes as it would in earnest: what it
/// acknowledges is on disk.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Makes one in a folder and waits until it answers; nothing where no PostgreSQL is
    /// installed.
    pub(crate) fn start(folder: &Path, settings: &[&str]) -> Outcome<Option<Self>> {
        let Ok(programs) = programs(&["initdb", "postgres", "pg_isready"]) else { return Ok(None) };
        std::fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Cluster::create(folder, &programs, port, &[])?;
        let mut server = Self { process: cluster.spawn(settings)?, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        match cluster.wait_ready(&mut server.process, deadline)? {
            true => Ok(Some(server)),
            false => Err("PostgreSQL does not start".into()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it is, for the store.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it is, for another client.
    pub(crate) fn plain_url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}
