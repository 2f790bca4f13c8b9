//! `annotate LIST ENTRY`: changes one entry of a list in the registry.

use super::edit::named;
use super::session::{LIST, Session};
use crate::entries::change::{self, Annotation};
use crate::entries::{self, Named};
use crate::error::{Error, Exit};
use crate::inputs::{Context, values};
use crate::inspect::{self, Inside, Inspected};
use crate::oci::{Platform, Reference, media_type};
use crate::pipeline::edit::Moved;
use crate::pipeline::progress::Progress;
use crate::pipeline::targets::Base;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::cell::RefCell;
use tracing::warn;

/// The command and its flags.
pub(super) fn command() -> Command {
    let part = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("VALUE").help(help)
    };
    Command::new("annotate")
        .about("Change one entry of an index in the registry, and print LIST@DIGEST")
        .arg(Arg::new(LIST).required(true).help("reference of the index, including the tag"))
        .arg(Arg::new("ENTRY").required(true).help("reference, digest or platform of the entry"))
        .args([
            part("os", "operating system (GOOS), such as linux"),
            part("arch", "architecture (GOARCH), such as arm64"),
            part("variant", "CPU variant; an empty value removes it"),
            part("os-version", "Windows build; an empty value removes it"),
            part("os-features", "Windows features, comma-separated").action(ArgAction::Append),
            part("annotation", "KEY=VALUE for the entry; an empty value removes it").action(ArgAction::Append),
        ])
        .after_help("Fails if somebody else moves the tag in the meantime.\n\nExample:\n  manifest-action annotate ghcr.io/acme/app:1.2 linux/arm64 --variant v8")
}

/// Changes the entry.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    let text = |name: &str| flags.get_one::<String>(name).cloned();
    let list = text(LIST).unwrap_or_default();
    let (session, references) = match Session::open(flags, context, &[(LIST, &list)], true) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let Some(list) = references.first() else { return Exit::Inputs };
    let asked = match asked(flags) {
        Ok(asked) => asked,
        Err(why) => return session.fail(&Error::new(Exit::Inputs, why)),
    };
    let named = match named(&session, list, &text("ENTRY").unwrap_or_default()).await {
        Ok(named) => named,
        Err(error) => return session.fail(&error),
    };
    let warned = async {
        warn_of_contradictions(&session, list, &named, &asked).await;
        Ok(())
    };
    if let Err(error) = session.until_stopped(&Progress::default(), warned).await {
        return session.fail(&error);
    }
    let entry = RefCell::new(named);
    let name = list.to_string();
    let apply = |base: &Base| {
        let is_docker = base
            .manifest
            .as_ref()
            .is_some_and(|manifest| manifest.media_type == media_type::DOCKER_LIST);
        if is_docker && !asked.annotations.is_empty() {
            return Err(Error::refused(format!(
                "{name} is a Docker manifest list, which cannot have annotations"
            ))
            .with_fix("create it again with --format oci"));
        }
        let at = entries::find(&name, &base.entries, &entry.borrow())?;
        // From the first round on the entry is its digest: the change may be of the platform that
        // named it.
        let digest = base.entries.get(at).map(|entry| entry.digest.to_string()).unwrap_or_default();
        entry.replace(Named::Digest(digest));
        change::annotate(&name, &base.entries, &entry.borrow(), &asked)
    };
    session.edit(list, Moved::Refuse, apply).await
}

/// Clients choose by the list, whatever the image is for. Who corrects a wrong config wants that; a
/// slip is worth a warning.
async fn warn_of_contradictions(
    session: &Session,
    list: &Reference,
    named: &Named,
    change: &Annotation,
) {
    if change.os.is_none() && change.architecture.is_none() {
        return;
    }
    // What cannot be read here, the change itself will tell of.
    let Ok(base) = Base::read(&session.registry, list).await else {
        return;
    };
    let Some(entry) = entries::find(&list.to_string(), &base.entries, named)
        .ok()
        .and_then(|at| base.entries.get(at))
    else {
        return;
    };
    let listed = change.platform_of(entry);
    if !listed.is_usual() {
        warn!("unknown platform {listed}: no client will choose it by itself");
    }
    let child = Reference::at(&list.repository, &entry.digest);
    if let Ok(Inspected { inside: Inside::Image(image), .. }) =
        inspect::read(&session.registry, &child, None, false).await
        && let Some(built) = image.platform
        && !built.runs_as(&listed)
    {
        warn!("the image was built for {built}; clients that ask for {listed} will get it anyway");
    }
}

fn asked(flags: &ArgMatches) -> Result<Annotation, String> {
    let text = |name: &str| flags.get_one::<String>(name).map(|value| value.trim().to_owned());
    let features = super::joined(flags, "os-features")
        .map(|value| super::items(&value).map(str::to_owned).collect());
    let wrong = |why: String| format!("--annotation: {why}");
    let pairs = super::joined(flags, "annotation")
        .map(|value| values::pairs(&value))
        .transpose()
        .map_err(wrong)?
        .unwrap_or_default();
    let mut annotations: Vec<(String, String)> = Vec::new();
    for (_, pair) in pairs {
        let (key, value) = pair.map_err(wrong)?;
        if annotations.iter().any(|(other, held)| *other == key && *held != value) {
            return Err(wrong(format!("{key} has two values")));
        }
        annotations.push((key, value));
    }
    let change = Annotation {
        os: text("os"),
        architecture: text("arch"),
        variant: text("variant"),
        os_version: text("os-version"),
        os_features: features,
        annotations,
    };
    for (flag, value) in [("os", &change.os), ("arch", &change.architecture)] {
        if value.as_ref().is_some_and(String::is_empty) {
            return Err(format!("--{flag}: cannot be empty"));
        }
    }
    let words = [
        ("os", &change.os),
        ("arch", &change.architecture),
        ("variant", &change.variant),
        ("os-version", &change.os_version),
    ];
    let words = words.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
    let features = change.os_features.iter().flatten().map(|feature| ("os-features", feature));
    if let Some((flag, odd)) = words.chain(features).find(|(_, word)| !Platform::is_word(word)) {
        return Err(format!("--{flag}: {odd:?} cannot be part of a platform"));
    }
    if change == Annotation::default() {
        Err("nothing to change: give --os, --arch, --variant, --os-version, --os-features or --annotation".to_owned())
    } else {
        Ok(change)
    }
}
