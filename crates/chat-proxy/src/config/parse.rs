//! From raw values to types. Text from the environment is read as leniently as what it replaces was.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chat_proxy_core::Origin;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::entry::Raw;
use super::reader::Wrong;

pub(super) fn text(raw: &Raw) -> Result<String, Wrong> {
    match raw {
        Raw::Text(text) => Ok(text.clone()),
        _ => Err(Wrong::new("is not text", "Put it in quotes.")),
    }
}

/// One line that a person reads.
pub(super) fn line(raw: &Raw) -> Result<String, Wrong> {
    /// Far more than fits on a panel.
    const MAX_CHARS: usize = 500;
    let text = text(raw)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Wrong::new("is empty", "Write some text, or remove the key."));
    }
    if text.chars().count() > MAX_CHARS || text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "is not one line of text",
            format!("Use one line of at most {MAX_CHARS} characters."),
        ));
    }
    Ok(text.to_owned())
}

/// A word, without regard to case or space around it.
pub(super) fn word(raw: &Raw) -> Result<String, Wrong> {
    Ok(text(raw)?.trim().to_ascii_lowercase())
}

pub(super) fn secret(raw: &Raw) -> Result<SecretString, Wrong> {
    match raw {
        Raw::Text(text) if !text.trim().is_empty() => Ok(text.trim().into()),
        Raw::Text(_) => Err(Wrong::new("is empty", "Set it, or remove the key.")),
        _ => Err(Wrong::new("is not text", "Put it in quotes.")),
    }
}

pub(super) fn path(raw: &Raw) -> Result<PathBuf, Wrong> {
    match text(raw)?.trim() {
        "" => Err(Wrong::new("is empty", "Name a file or folder, or remove the key.")),
        path => Ok(path.into()),
    }
}

pub(super) fn boolean(raw: &Raw) -> Result<bool, Wrong> {
    let is_on = match raw {
        Raw::Boolean(is_on) => Some(*is_on),
        Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    };
    is_on.ok_or_else(|| Wrong::new("is neither true nor false", "Use true or false."))
}

fn integer(raw: &Raw) -> Option<i64> {
    match raw {
        Raw::Integer(number) => Some(*number),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn port(raw: &Raw) -> Result<u16, Wrong> {
    let port = integer(raw).and_then(|number| number.try_into().ok());
    port.ok_or_else(|| Wrong::new("is not a port", "Use a number up to 65535; 0 takes any free port."))
}

pub(super) fn positive(raw: &Raw) -> Result<NonZeroU32, Wrong> {
    let number = integer(raw).and_then(|number| number.try_into().ok()).and_then(NonZeroU32::new);
    number.ok_or_else(|| Wrong::new("is not a positive whole number", "Use a number from 1 on."))
}

/// A count that may be zero.
pub(super) fn count(raw: &Raw) -> Result<u32, Wrong> {
    let number = integer(raw).and_then(|number| number.try_into().ok());
    number.ok_or_else(|| Wrong::new("is not a whole number", "Use 0 or a positive number."))
}

/// A number with its unit: `500ms`, `30s`, `5m`, `24h`, `30d`.
pub(super) fn duration(raw: &Raw) -> Result<Duration, Wrong> {
    let parsed = || {
        let Raw::Text(text) = raw else { return None };
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let seconds = match unit.trim_start() {
            "ms" => return (number > 0).then(|| Duration::from_millis(number)),
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs)
    };
    parsed().ok_or_else(|| {
        Wrong::new(
            "is not a length of time",
            "Use a number and its unit, such as \"30s\", \"24h\" or \"30d\".",
        )
    })
}

pub(super) fn host(raw: &Raw) -> Result<IpAddr, Wrong> {
    let text = text(raw)?;
    let host = match text.trim() {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        other => other.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    };
    host.ok_or_else(|| {
        Wrong::new(
            "is not an address of this machine",
            "Use an IP address: 127.0.0.1 for this machine only, 0.0.0.0 for all.",
        )
    })
}

/// An address with its port, or `off`.
pub(super) fn listener(raw: &Raw) -> Result<Option<SocketAddr>, Wrong> {
    let text = text(raw)?;
    match text.trim() {
        "off" => Ok(None),
        address => address.replace("localhost:", "127.0.0.1:").parse().map(Some).map_err(|_| {
            Wrong::new("is not an address with a port", "Use one such as \"127.0.0.1:9464\", or \"off\".")
        }),
    }
}

/// A list, or its entries in one text with commas between them.
fn items(raw: &Raw) -> Result<Vec<String>, Wrong> {
    let wrong = || Wrong::new("is not a list of texts", "Write [\"one\", \"two\"].");
    let items = match raw {
        Raw::Text(text) => text.split(',').map(str::to_owned).collect(),
        Raw::List(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    Ok(items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

pub(super) fn names(raw: &Raw) -> Result<Vec<String>, Wrong> {
    items(raw)
}

pub(super) fn networks(raw: &Raw) -> Result<Vec<IpNet>, Wrong> {
    let network = |item: &String| {
        item.parse::<IpNet>().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
            let what = format!("holds {item:?}, which is neither an address nor a network");
            Wrong::new(what, "Use addresses such as \"10.0.0.7\" or networks such as \"10.0.0.0/8\".")
        })
    };
    items(raw)?.iter().map(network).collect()
}

pub(super) fn origin(raw: &Raw) -> Result<Origin, Wrong> {
    parse_origin(text(raw)?.trim()).map_err(|what| Wrong::new(format!("is {what}"), ORIGIN_REMEDY))
}

pub(super) fn origins(raw: &Raw) -> Result<Vec<Origin>, Wrong> {
    let mut origins = Vec::new();
    for item in items(raw)? {
        let origin = parse_origin(&item)
            .map_err(|what| Wrong::new(format!("holds {item:?}, which is {what}"), ORIGIN_REMEDY))?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

const ORIGIN_REMEDY: &str =
    "Write scheme, host and port as the browser's address bar shows them, such as \"https://shop.example\".";

fn parse_origin(text: &str) -> Result<Origin, &'static str> {
    Origin::parse(text).ok_or(match text {
        "null" => "not an origin: any sandboxed page has it",
        text if text.contains('*') => "a pattern; every origin must be written out",
        text if !text.contains("://") => "an origin without its scheme",
        text if Origin::of_url(text).is_some() => "more than an origin",
        _ => "not an origin",
    })
}

/// An http or https address with a host.
pub(super) fn web_address(raw: &Raw) -> Result<Url, Wrong> {
    let url = Url::parse(text(raw)?.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(Url::has_host).ok_or_else(|| {
        Wrong::new("is not a web address", "Write the whole address, beginning with https:// or http://.")
    })
}
