//! Writes the bodies of the captures, as seeds for the decoder: `seed CAPTURES FOLDER`.
//! Compiled by `fuzz/run` on its own: it needs nothing but the standard library.

use std::{env, error::Error, fs, path::PathBuf};

#[path = "../crates/n8n-stream/tests/wire/mod.rs"]
mod wire;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(captures), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: seed CAPTURES FOLDER".into());
    };
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(captures)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bin")
            && let Some(name) = path.file_stem()
        {
            let body =
                wire::body(&fs::read(&path)?).ok_or_else(|| format!("{} is no answer", path.display()))?;
            fs::write(folder.join(name), body)?;
        }
    }
    Ok(())
}
