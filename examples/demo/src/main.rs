//! The main job, told as a story: real records through a real gateway.
//!
//! `demo [--once] [--folder FOLDER]`; the other programs lie beside this one.

#![allow(clippy::print_stdout, reason = "telling a story is what it is for")]

mod client;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use http::Method;
use serde_json::Value;

use client::{Answer, Client};
use stage::Stage;

/// Anything that stops the story; it is printed and the demo fails.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

const CUSTOMERS: usize = 1_000;
const FIELDS: [&str; 8] = [
    "/full_name",
    "/email",
    "/phone",
    "/card/number",
    "/iban",
    "/national_id",
    "/birth_date",
    "/address/street",
];

#[tokio::main]
async fn main() -> ExitCode {
    match tell().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("the demo failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn tell() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let once = arguments.iter().any(|argument| argument == "--once");
    let folder = arguments
        .iter()
        .position(|argument| argument == "--folder")
        .and_then(|at| arguments.get(at + 1))
        .map_or_else(|| PathBuf::from("target/demo-data"), PathBuf::from);
    let programs = std::env::current_exe()?.parent().ok_or("no folder")?.to_owned();
    let start = Instant::now();
    let stage = Stage::set(&programs, &std::path::absolute(folder)?).await?;
    println!(
        "an example API listens on http://{}, the gateway in front of it on http://{}",
        stage.upstream, stage.gateway
    );

    let tokens = Tokens {
        shop: token(&stage, "shop").await?,
        billing: token(&stage, "billing").await?,
        support: token(&stage, "support").await?,
    };
    let customers = stage.customers(CUSTOMERS).await?;
    post_all(&stage, &tokens, &customers).await?;
    let sample = customers.get(41).ok_or("too few customers")?;
    let id = member(sample, "/id")?;
    who_sees_what(&stage, &tokens, sample, &id).await?;
    rotate(&stage, &tokens, &id).await?;
    launder(&stage, &tokens, &customers, &id).await?;
    account(&stage, &id).await?;
    println!("\ntold in {:.1} s", start.elapsed().as_secs_f32());
    if !once {
        stay(&stage, &tokens, &id).await?;
    }
    Ok(())
}

struct Tokens {
    shop: String,
    billing: String,
    support: String,
}

async fn token(stage: &Stage, role: &str) -> Result<String, Failure> {
    let name = format!("demo-{role}");
    let text = stage.allonym(&["api-tokens", "create", "--name", &name, "--role", role]).await?;
    Ok(text.trim().to_owned())
}

async fn post_all(stage: &Stage, tokens: &Tokens, customers: &[String]) -> Result<(), Failure> {
    let mut shop = Client::connect(&stage.gateway, Some(&tokens.shop)).await?;
    let start = Instant::now();
    for customer in customers {
        let answer = shop.send(Method::POST, "/v1/customers", customer.clone()).await?;
        expect(&answer, 201, "a customer is stored")?;
    }
    let each = start.elapsed().as_micros() / customers.len() as u128;
    println!(
        "{} customers posted through the gateway, {each} µs each, one after another",
        customers.len()
    );
    Ok(())
}

async fn who_sees_what(
    stage: &Stage,
    tokens: &Tokens,
    sent: &str,
    id: &str,
) -> Result<(), Failure> {
    let path = format!("/v1/customers/{id}");
    let mut upstream = Client::connect(&stage.upstream, None).await?;
    let stored = upstream.get(&format!("/debug/stored/{id}")).await?;
    let mut billing =
        Client::connect(&stage.gateway, Some(&tokens.billing)).await?.for_purpose("chargeback");
    let mut unsaid = Client::connect(&stage.gateway, Some(&tokens.billing)).await?;
    let mut support = Client::connect(&stage.gateway, Some(&tokens.support)).await?;
    let mut anyone = Client::connect(&stage.gateway, None).await?;
    println!("\none customer, POST /v1/customers as `shop`, then GET {path}");
    show("the client sent", sent);
    show("the upstream stored", &stored.body);
    let answer = billing.get(&path).await?;
    expect(&answer, 200, "billing reads")?;
    show("billing sees (purpose: chargeback)", &answer.body);
    same(sent, &answer.body)?;
    let answer = unsaid.get(&path).await?;
    show("billing sees without a purpose", &answer.body);
    println!("    Allonym-Notice: {}", answer.notice.as_deref().unwrap_or("-"));
    show("support sees", &support.get(&path).await?.body);
    show("anyone sees", &anyone.get(&path).await?.body);
    Ok(())
}

/// A rotation while traffic runs: nothing fails, old and new values are both readable.
async fn rotate(stage: &Stage, tokens: &Tokens, old: &str) -> Result<(), Failure> {
    println!("\na key rotates while customers keep coming");
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = tokio::spawn(traffic(
        stage.gateway.clone(),
        tokens.shop.clone(),
        stage.customers(100).await?,
        Arc::clone(&stop),
        Arc::clone(&done),
    ));
    while done.load(Ordering::Acquire) < 20 {
        tokio::task::yield_now().await;
    }
    let said = stage.allonym(&["keys", "rotate", "contact"]).await?;
    let before = done.load(Ordering::Acquire);
    while done.load(Ordering::Acquire) < before + 20 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Release);
    let last = traffic.await??;
    println!("    $ allonym keys rotate contact\n    {}", said.trim());
    println!("    {} requests meanwhile, none failed", done.load(Ordering::Acquire));
    let mut upstream = Client::connect(&stage.upstream, None).await?;
    let mut billing =
        Client::connect(&stage.gateway, Some(&tokens.billing)).await?.for_purpose("chargeback");
    for (when, id) in [("before", old), ("after", last.as_str())] {
        let stored = upstream.get(&format!("/debug/stored/{id}")).await?;
        let seen = billing.get(&format!("/v1/customers/{id}")).await?;
        expect(&seen, 200, "billing reads")?;
        println!(
            "    stored {when:<6} {:<44} billing sees {}",
            shortened(&member(&stored.body, "/full_name")?),
            member(&seen.body, "/full_name")?
        );
    }
    Ok(())
}

async fn traffic(
    gateway: String,
    token: String,
    customers: Vec<String>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Result<String, Failure> {
    let mut shop = Client::connect(&gateway, Some(&token)).await?;
    let mut last = String::new();
    for round in 0_u64.. {
        let customer = customers.get((round % 100) as usize).ok_or("no customers")?;
        let mut customer: Value = serde_json::from_str(customer)?;
        last = format!("during-rotation-{round}");
        if let Some(object) = customer.as_object_mut() {
            object.insert("id".to_owned(), Value::String(last.clone()));
        }
        let answer = shop.send(Method::POST, "/v1/customers", customer.to_string()).await?;
        expect(&answer, 201, "a customer is stored while a key rotates")?;
        done.fetch_add(1, Ordering::AcqRel);
        if stop.load(Ordering::Acquire) {
            break;
        }
    }
    Ok(last)
}

/// Support writes a stranger's token into a record of its own, to read it back in plain.
async fn launder(
    stage: &Stage,
    tokens: &Tokens,
    customers: &[String],
    stranger: &str,
) -> Result<(), Failure> {
    let mut upstream = Client::connect(&stage.upstream, None).await?;
    let stored = upstream.get(&format!("/debug/stored/{stranger}")).await?;
    let stolen = member(&stored.body, "/email")?;
    let own = member(customers.first().ok_or("no customers")?, "/id")?;
    let body = serde_json::json!({ "id": own, "email": stolen }).to_string();
    let mut support = Client::connect(&stage.gateway, Some(&tokens.support)).await?;
    let answer = support.send(Method::PUT, &format!("/v1/customers/{own}"), body).await?;
    println!("\nsupport writes a stranger's token into a record of its own");
    println!("    PUT /v1/customers/{own}  {{ \"email\": \"{stolen}\" }}");
    println!("    {} {}", answer.status, answer.body.trim());
    if answer.status < 400 {
        return Err("the token was taken".into());
    }
    Ok(())
}

async fn account(stage: &Stage, id: &str) -> Result<(), Failure> {
    let place = format!("GET /v1/customers/{id}");
    println!("\n$ allonym explain customers \"{place}\" --as support");
    for line in stage.allonym(&["explain", "customers", &place, "--as", "support"]).await?.lines() {
        println!("    {line}");
    }
    println!("\n$ allonym audit verify");
    println!("    {}", stage.allonym(&["audit", "verify"]).await?.trim());
    Ok(())
}

async fn stay(stage: &Stage, tokens: &Tokens, id: &str) -> Result<(), Failure> {
    let url = format!("http://{}/v1/customers/{id}", stage.gateway);
    println!(
        "\ngateway   http://{}\nupstream  http://{}\nmetrics   http://{}/metrics",
        stage.gateway, stage.upstream, stage.admin
    );
    println!("\ntry:");
    println!("  curl -s {url}");
    println!("  curl -s {url} -H 'Allonym-Token: {}'", tokens.support);
    println!(
        "  curl -s {url} -H 'Allonym-Token: {}' -H 'Allonym-Purpose: chargeback'",
        tokens.billing
    );
    println!("\nCtrl-C stops everything; what was made lies in {}", stage.folder.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn show(title: &str, body: &str) {
    println!("  {title}");
    let document: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    for field in FIELDS {
        let value = document.pointer(field).map_or_else(|| "-".to_owned(), text);
        println!(
            "    {:<16} {}",
            field.trim_start_matches('/').replace('/', "."),
            shortened(&value)
        );
    }
}

fn shortened(value: &str) -> String {
    if value.chars().count() <= 44 {
        return value.to_owned();
    }
    let head: String = value.chars().take(43).collect();
    format!("{head}…")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn member(body: &str, pointer: &str) -> Result<String, Failure> {
    let document: Value = serde_json::from_str(body)?;
    let value = document.pointer(pointer).ok_or_else(|| format!("no {pointer}"))?;
    Ok(text(value))
}

fn same(sent: &str, seen: &str) -> Result<(), Failure> {
    let (sent, seen): (Value, Value) = (serde_json::from_str(sent)?, serde_json::from_str(seen)?);
    if sent == seen { Ok(()) } else { Err("what came back is not what was sent".into()) }
}

fn expect(answer: &Answer, status: u16, what: &str) -> Result<(), Failure> {
    if answer.status == status {
        return Ok(());
    }
    Err(format!("{what}: {} {}", answer.status, answer.body).into())
}
