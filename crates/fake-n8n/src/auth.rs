//! The ways a webhook can be guarded, with n8n's own texts.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde_json::Value;

use crate::request::Request;

/// What a guarded webhook wants to see.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Secret of `/webhook/jwt` and `/webhook/jwt-body` (HS256).
    pub jwt_secret: String,
    /// Name and value that `/webhook/header` wants.
    pub header: (String, String),
    /// User and password that `/webhook/basic` wants.
    pub basic: (String, String),
    /// What the public API wants as `X-N8N-API-KEY`.
    pub api_key: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            jwt_secret: "test-session-secret-key-0123456789abcdef".to_owned(),
            header: ("X-N8N-API-KEY".to_owned(), "test-header-key".to_owned()),
            basic: ("shop".to_owned(), "test-basic-password".to_owned()),
            api_key: "test-n8n-api-key".to_owned(),
        }
    }
}

/// n8n's refusal: status and text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) text: &'static str,
}

impl Refused {
    fn new(status: u16, text: &'static str) -> Self {
        Self { status, text }
    }
}

/// The Webhook node's JWT Auth. It reads `Authorization: Bearer` and never the body.
pub(crate) fn check_bearer(request: &Request, keys: &Keys) -> Result<(), Refused> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Err(Refused::new(401, "No token provided"));
    };
    check_token(token, &keys.jwt_secret).map_err(|text| Refused::new(403, text))
}

pub(crate) fn check_header(request: &Request, keys: &Keys) -> Result<(), Refused> {
    let (name, value) = &keys.header;
    if request.header(name) == Some(value) {
        Ok(())
    } else {
        Err(Refused::new(403, "Authorization data is wrong!"))
    }
}

pub(crate) fn check_basic(request: &Request, keys: &Keys) -> Result<(), Refused> {
    let Some(given) = request.header("authorization").and_then(|value| value.strip_prefix("Basic ")) else {
        return Err(Refused::new(401, "Authorization is required!"));
    };
    let (user, password) = &keys.basic;
    if given == STANDARD.encode(format!("{user}:{password}")) {
        Ok(())
    } else {
        Err(Refused::new(401, "Authentication data is wrong!"))
    }
}

/// Checks a token as n8n does: no leeway, HS256 only, in the order in which n8n finds faults.
pub(crate) fn check_token(token: &str, secret: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, _, signature] = parts.as_slice() else {
        return Err("jwt malformed");
    };
    let header =
        URL_SAFE_NO_PAD.decode(header).ok().and_then(|raw| serde_json::from_slice::<Value>(&raw).ok());
    let Some(header) = header else {
        return Err("invalid token");
    };
    if signature.is_empty() {
        return Err("jwt signature is required");
    }
    if header["alg"] != "HS256" {
        return Err("invalid algorithm");
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &validation) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => "invalid signature",
            ErrorKind::ExpiredSignature => "jwt expired",
            ErrorKind::ImmatureSignature => "jwt not active",
            _ => "invalid token",
        }),
    }
}
