//! Nobody finds out which names there are: all of them are asked the same, and told the
//! same.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use allonym_postgres::Verifier;
use allonym_postgres::wire::message::{write_sasl_initial, write_sasl_response};
use allonym_postgres::wire::startup::write_startup;

use super::openings::Encrypted;
use super::*;

/// What is said to somebody with this name and a wrong password.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    offered: Vec<u8>,
    salt: String,
    iterations: u32,
    told: Vec<u8>,
}

fn knock(stream: &mut (impl Read + Write), name: &str) -> Said {
    let mut out = Vec::new();
    let own = [(&b"user"[..], name.as_bytes()), (b"database", b"shop")];
    write_startup(&mut out, 0, own).unwrap();
    stream.write_all(&out).unwrap();
    let (asks, offered) = message(stream);
    assert_eq!(asks, b'R', "{name}: {}", String::from_utf8_lossy(&offered));
    out.clear();
    write_sasl_initial(&mut out, "SCRAM-SHA-256", Some(b"n,,n=,r=of-the-client")).unwrap();
    stream.write_all(&out).unwrap();
    let (asks, challenge) = message(stream);
    assert_eq!(asks, b'R', "{name}: {}", String::from_utf8_lossy(&challenge));
    let challenge = String::from_utf8(challenge[4..].to_vec()).unwrap();
    let [nonce, salt, iterations] =
        challenge.split(',').map(|part| &part[2..]).collect::<Vec<_>>().try_into().unwrap();
    let last = format!("c=biws,r={nonce},p={}=", "A".repeat(43));
    out.clear();
    write_sasl_response(&mut out, last.as_bytes()).unwrap();
    stream.write_all(&out).unwrap();
    let (refused, told) = message(stream);
    assert_eq!(refused, b'E', "{name}");
    let iterations = iterations.parse().unwrap();
    Said { offered, salt: salt.to_owned(), iterations, told }
}

fn message(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).unwrap();
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).unwrap();
    (header[0], body)
}

#[test]
fn names_with_a_password_a_certificate_or_neither_look_alike() {
    let certificates = Certificates::new(&crate::stand::folder(), "till.shop.example");
    let tls = format!(
        "    tls: {{ cert: {}, key: {{ file: {} }} }}
    client_ca: {}
    upstream_tls: off
    callers:
      users:
        shop: {{ role: clerk, upstream_password: {{ env: SHOP_PASSWORD }} }}
        till: {{ role: clerk, certificate: till.shop.example, upstream_user: shop, upstream_password: {{ env: SHOP_PASSWORD }} }}
        guest: {{ role: clerk }}
",
        certificates.path("server.pem"),
        certificates.path("server.key"),
        certificates.path("ca.pem"),
    );
    let relay = Relay::with(Server::new(), &tls);
    // A password beside the certificate changes nothing.
    let made = relay.stand.allonym_with(&["db-users", "add", "till"], "of-the-till");
    assert!(made.status.success(), "{}", text(&made));
    let ask = |name: &str| knock(&mut Encrypted::asking(&relay, &certificates), name);
    let shop = ask("shop");
    assert_eq!(shop, ask("shop"));
    for other in ["till", "guest", "nobody", "postgres"] {
        let other = ask(other);
        assert_eq!((&other.offered, &other.told), (&shop.offered, &shop.told));
        assert_eq!((other.salt.len(), other.iterations), (shop.salt.len(), shop.iterations));
        assert_ne!(other.salt, shop.salt);
    }
    // Not even its password is the right one.
    let ca = certificates.path("ca.pem");
    let till = [
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", &*ca),
        ("PGUSER", "till"),
        ("PGPASSWORD", "of-the-till"),
    ];
    assert!(text(&relay.psql(&till, &["-c", "SELECT 1"])).contains("rule: credential-invalid"));
    relay.logged("\"rule\":\"certificate-missing\"");
    let _ = fs::remove_dir_all(&certificates.0);
}

/// Verifiers that were taken over from elsewhere have other iterations, and other salts.
#[test]
fn names_without_a_password_look_like_those_who_have_one() {
    let users = "    upstream_tls: off
    callers:
      users:
        shop: { role: clerk, upstream_password: { env: SHOP_PASSWORD } }
        till: { role: clerk, upstream_password: { env: SHOP_PASSWORD } }
        guest: { role: clerk }
";
    let relay = Relay::with(Server::new(), users);
    let ask = |name: &str| knock(&mut TcpStream::connect(&relay.address).unwrap(), name);
    assert_eq!(ask("nobody").iterations, 4096, "as the only one there is");
    for (name, salt, iterations) in [("shop", 16, 10_000), ("till", 20, 20_000)] {
        let verifier = Verifier::derive(b"x", &vec![7; salt], iterations).unwrap().to_text();
        let taken = ["db-users", "add", name, "--verifier", "--replace"];
        let taken = relay.stand.allonym_with(&taken, &verifier);
        assert!(taken.status.success(), "{}", text(&taken));
    }
    let look = |said: &Said| (said.iterations, said.salt.len());
    let real: BTreeSet<_> = ["shop", "till"].map(|name| look(&ask(name))).into();
    assert_eq!(real, BTreeSet::from([(10_000, 24), (20_000, 28)]));
    let mut mock = BTreeSet::new();
    for name in ["guest".to_owned()].into_iter().chain((0..40).map(|n| format!("nobody-{n}"))) {
        let said = ask(&name);
        assert_eq!(said, ask(&name), "asking twice does not tell");
        mock.insert(look(&said));
    }
    assert_eq!(mock, real);
}
