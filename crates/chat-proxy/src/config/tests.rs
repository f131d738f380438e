//! The configuration as a whole: sources in, settings or problems out.

mod example;
mod refusals;
mod sites;
mod sources;

use std::fs;

use super::{ConfigError, Notice, Settings, Sources};

/// Two secrets as `openssl rand -base64 48` makes them.
const SECRET: &str = "RwW2pV7k0sXh9QdJt4mYz1LbNc6Ua3Ef8Gi5Ko+PrTqCvBxSyHuDjMnZlOeFgAw/";
const OTHER_SECRET: &str = "t7Hq3Zx0KcVn5Bw9Ls2Dj8Rf4Gy6Mp1Ea+UiOoTkXbNvCzQWmSJdHrFgLYePAu/x";

/// A folder, an environment and flags of their own.
struct Given {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Given {
    fn nothing() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { directory: folder.path().to_owned(), ..Sources::default() };
        Self { folder, sources }
    }

    /// The least that can be served.
    fn one_site() -> Self {
        Self::nothing()
            .with_variable("N8N_WEBHOOK_URL", "https://n8n.example/webhook/hush/chat")
            .with_variable("ALLOWED_ORIGINS", "http://localhost:8080")
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn load(&self) -> Result<(Settings, Vec<Notice>), ConfigError> {
        Settings::load(&self.sources)
    }

    fn settings(&self) -> Settings {
        self.load().map_or_else(|error| panic!("{error}"), |(settings, _)| settings)
    }

    /// The notices, as one text.
    fn notices(&self) -> String {
        let (_, notices) = self.load().unwrap_or_else(|error| panic!("{error}"));
        notices.iter().fold(String::new(), |text, notice| text + &format!("{notice}\n"))
    }

    /// The one problem, as a text.
    fn problem(&self) -> String {
        let error = self.load().expect_err("the configuration was accepted");
        assert_eq!(error.problems.len(), 1, "{error}");
        error.problems[0].to_string()
    }
}
