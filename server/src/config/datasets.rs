//! `[[datasets]]`: named statements that applications read through the cache.

use super::{ConfigError, section::Section, value};
use headroom_engine::{
    cache::{ClassSettings, Mode},
    dataset::{DatasetConfig, Parameter, ParameterKind, WarmupClass},
    target::TargetConfig,
};
use headroom_model::TargetId;
use std::{ops::RangeInclusive, time::Duration};

const MODES: &[(&str, Mode)] =
    &[("tiered", Mode::Tiered), ("memory", Mode::Memory), ("redis", Mode::Redis), ("none", Mode::None)];

pub(super) fn read(root: &Section<'_>, targets: &[TargetConfig]) -> Result<Vec<DatasetConfig>, ConfigError> {
    root.sections("datasets")?.iter().map(|section| dataset(section, targets)).collect()
}

fn dataset(section: &Section<'_>, targets: &[TargetConfig]) -> Result<DatasetConfig, ConfigError> {
    let needed =
        |key: &str| section.value(key, &value::text())?.ok_or_else(|| section.wrong(&format!("{key} is missing")));
    let first = targets.first().map(|target| target.id.clone());
    let target = match section.value("target", &value::text())? {
        Some(named) => TargetId(named),
        None => first.ok_or_else(|| section.wrong("there is no target that it could be read from"))?,
    };
    if !targets.iter().any(|known| known.id == target) {
        let known: Vec<&str> = targets.iter().map(|known| known.id.as_str()).collect();
        return Err(section.refuse("target", &format!("\"{target}\""), &known.join(", ")));
    }
    let flag = |key: &str, default| section.value(key, &value::flag()).map(|flag| flag.unwrap_or(default));
    let config = DatasetConfig {
        name: needed("name")?,
        target,
        sql: needed("sql")?,
        parameters: section.sections("parameters")?.iter().map(parameter).collect::<Result<_, _>>()?,
        cache: cache(section)?,
        tags: section.list("tags", &value::text())?,
        warmup: section.value("warmup", &value::one_of(&WarmupClass::ALL))?,
        warm: section.sections("warm")?.iter().map(arguments).collect::<Result<_, _>>()?,
        key: section.list("key", &value::text())?,
        tables: section.list("tables", &value::form("schema.table", |name| name.contains('.')))?,
        per_user: flag("per_user", false)?,
        count: flag("count", true)?,
    };
    section.finish()?;
    Ok(config)
}

fn cache(section: &Section<'_>) -> Result<ClassSettings, ConfigError> {
    let span = |key: &str, range: RangeInclusive<u64>, default: Duration| {
        let range = Duration::from_millis(*range.start())..=Duration::from_millis(*range.end());
        section.value(key, &value::span(range)).map(|span| span.unwrap_or(default))
    };
    const SECOND: u64 = 1000;
    const DAY: u64 = 86_400 * SECOND;
    let size = |key: &str, range: RangeInclusive<u64>, default: usize| {
        let written = section.value(key, &value::bytes(range))?;
        Ok(written.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
    };
    let default = ClassSettings::default();
    Ok(ClassSettings {
        mode: section.value("mode", &value::one_of(MODES))?.unwrap_or(default.mode),
        ttl: span("ttl", 100..=30 * DAY, default.ttl)?,
        negative_ttl: default.negative_ttl,
        stale_for: span("stale_for", 0..=30 * DAY, default.stale_for)?,
        sliding_until: section
            .value("sliding_until", &value::span(Duration::from_secs(1)..=Duration::from_millis(30 * DAY)))?,
        soft_timeout: span("soft_timeout", 1..=20 * SECOND, default.soft_timeout)?,
        hard_timeout: span("hard_timeout", 10..=20 * SECOND, default.hard_timeout)?,
        load_timeout: default.load_timeout,
        retry_after: span("retry_after", 100..=600 * SECOND, default.retry_after)?,
        beta: section.value("beta", &value::number(0.0..=100.0))?.unwrap_or(default.beta),
        eager_after: section.value("eager_after", &value::number(0.1..=0.99))?,
        compress_over: size("compress_over", 1 << 10..=1 << 30, default.compress_over)?,
        value_max: size("value_max", 1 << 10..=256 << 20, default.value_max)?,
    })
}

/// One set of arguments: `{region = "eu"}`.
fn arguments(section: &Section<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let value = |name: &str| Ok((name.to_owned(), section.value(name, &value::text())?.unwrap_or_default()));
    section.keys().map(value).collect()
}

fn parameter(section: &Section<'_>) -> Result<Parameter, ConfigError> {
    let name = section.value("name", &value::text())?.ok_or_else(|| section.wrong("name is missing"))?;
    let bound = value::number(f64::MIN..=f64::MAX);
    let parameter = Parameter {
        name,
        kind: section.value("type", &value::one_of(&ParameterKind::ALL))?.unwrap_or(ParameterKind::Text),
        default: section.value("default", &value::text())?,
        min: section.value("min", &bound)?,
        max: section.value("max", &bound)?,
        values: section.list("values", &value::text())?,
    };
    section.finish()?;
    Ok(parameter)
}
