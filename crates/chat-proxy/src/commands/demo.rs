//! `chat-proxy demo`: the server, an n8n that answers, and a shop page on another site with the chat in it.

mod shop;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chat_proxy_core::Origin;
use chat_proxy_server::listener;
use fake_n8n::{FakeN8n, FakeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::commands::print;
use crate::commands::serve::{log_notices, start};
use crate::config::{DemoSite, Flags, Settings, Sources};
use crate::telemetry::start_logs;
use shop::Shop;

/// The shop's own port, and how many more are tried if it is taken.
const SHOP_PORT: u16 = 8080;
const MORE_PORTS: u16 = 20;
/// What the built-in agent says of itself, and what it can be asked.
const INTRO: &str =
    "I know the catalog, delivery and returns. With an order number I can look up your order.";
const SUGGESTIONS: [&str; 4] = [
    "Which lamp suits a low ceiling?",
    "When would my order arrive?",
    "How do returns work?",
    "Something under €\u{a0}50 as a gift",
];
/// The path of the chat trigger in the built-in n8n.
const WEBHOOK_PATH: &str = "/webhook/demo/chat";

pub(super) async fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let shop = bind_near(SocketAddr::from((Ipv4Addr::LOCALHOST, SHOP_PORT)))?;
    // Another *site* than the proxy's 127.0.0.1: two ports of one host would prove nothing about foreign pages.
    let shop_origin = Origin::parse(&format!("http://localhost:{}", shop.local_addr()?.port()))
        .context("the shop's address makes no origin")?;
    let fake =
        FakeN8n::start(FakeOptions::default()).await.context("the built-in n8n could not be started")?;
    let webhook = Url::parse(&fake.url(WEBHOOK_PATH)).context("the built-in n8n has no address")?;

    let mut sources = Sources::of_process(flags);
    sources.demo = Some(DemoSite {
        webhook: webhook.clone(),
        origin: shop_origin.clone(),
        title: "Halma".to_owned(),
        intro: INTRO.to_owned(),
        suggestions: SUGGESTIONS.map(str::to_owned).to_vec(),
    });
    let (settings, notices) = Settings::load(&sources)?;
    start_logs(settings.log);
    log_notices(&notices);
    let is_built_in = settings.sites.iter().any(|site| site.upstream.webhook == webhook);
    let fake = if is_built_in {
        Some(fake)
    } else {
        fake.stop().await;
        None
    };

    let public = bind_near(settings.server.address())?;
    let operations = match settings.server.operations_addr {
        Some(address) => bind_near(address).ok(),
        None => None,
    };
    let closing = CancellationToken::new();
    let tasks = TaskTracker::new();
    let code = start(settings, public, operations, |public| {
        tasks.spawn(Shop { public: public.clone(), is_built_in }.serve(shop, closing.clone()));
        print(&welcome(&shop_origin, public, is_built_in));
    })
    .await;
    closing.cancel();
    if let Some(fake) = fake {
        fake.stop().await;
    }
    code
}

fn welcome(shop: &Origin, public: &Origin, is_built_in: bool) -> String {
    let answers = if is_built_in {
        "Answers come from a built-in n8n. For your own:  N8N_WEBHOOK_URL=https://… make run"
    } else {
        "Answers come from your n8n."
    };
    format!(
        "\n  Open the demo shop:  {shop}\n\n  The chat behind it:  {public}\n  {answers}\n  Stop with Ctrl-C.\n\n"
    )
}

/// Binds the address, or the next free port after it.
fn bind_near(address: SocketAddr) -> anyhow::Result<TcpListener> {
    for port in address.port()..=address.port().saturating_add(MORE_PORTS) {
        match listener::bind(SocketAddr::new(address.ip(), port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot listen on {}:{port}", address.ip()));
            }
        }
    }
    bail!("the ports {} to {} of {} are all taken", address.port(), address.port() + MORE_PORTS, address.ip())
}
