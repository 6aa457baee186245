//! Passwords come from the terminal without echo, from standard input, or from a file: never from an argument, where
//! other programs could read them.

use super::Failure;
use console::Term;
use std::{
    io::{BufRead, IsTerminal, stdin},
    path::Path,
};

/// Reads a password for `name`.
///
/// # Errors
/// The file or the input cannot be read, or the two entries on the terminal differ.
pub fn read(name: &str, file: Option<&Path>) -> Result<String, Failure> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
        return Ok(first_line(&text));
    }
    if !stdin().is_terminal() {
        let mut line = String::new();
        stdin().lock().read_line(&mut line).map_err(anyhow::Error::from)?;
        return Ok(first_line(&line));
    }
    let ask = |question: &str| {
        eprint!("{question}");
        Term::stderr().read_secure_line().map_err(|error| Failure::Runtime(error.into()))
    };
    let password = ask(&format!("Password for {name} (12 to 200 characters): "))?;
    if ask("Once more: ")? != password {
        return Err(Failure::Usage("the two passwords differ; nothing was changed".to_owned()));
    }
    Ok(password)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
