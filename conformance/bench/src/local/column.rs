// SPDX-License-Identifier: MIT
//! Columns: what is measured side by side, as data (`columns.toml`), and the directory that each has to itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The columns that are measured unless a file says otherwise.
const COLUMNS: &str = include_str!("../../columns.toml");

/// One column; its settings are explained in `columns.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    pub module: Option<String>,
    pub parameters: Option<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub directories: Vec<String>,
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    #[serde(default = "yes")]
    pub init_token: bool,
    pub so_pin: Option<String>,
    #[serde(default = "bench")]
    pub token: String,
    pub prepared_by: Option<String>,
    pub beside: Option<String>,
}

fn yes() -> bool {
    true
}

fn bench() -> String {
    "bench".into()
}

#[derive(Deserialize)]
struct Columns {
    column: Vec<Column>,
}

/// The columns of `file`, or those that come with the benchmark.
pub fn all(file: Option<&Path>) -> Result<Vec<Column>, String> {
    let text = match file {
        Some(file) => {
            &std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => COLUMNS,
    };
    let columns: Columns = toml::from_str(text).map_err(|error| error.to_string())?;
    Ok(columns.column)
}

impl Column {
    /// With every `{name}` replaced that `names` defines.
    pub fn with(&self, names: &BTreeMap<String, String>) -> Self {
        let fill = |text: &String| {
            names.iter().fold(text.clone(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
        };
        let fill_all = |map: &BTreeMap<String, String>| {
            let pairs = map.iter().map(|(name, text)| (name.clone(), fill(text)));
            pairs.collect()
        };
        Self {
            module: self.module.as_ref().map(fill),
            parameters: self.parameters.as_ref().map(fill),
            environment: fill_all(&self.environment),
            files: fill_all(&self.files),
            ..self.clone()
        }
    }

    /// Why it cannot be measured here, if so: its module is not known, or not there.
    pub fn missing(&self) -> Option<String> {
        let module = self.module.as_ref()?;
        if module.starts_with('{') {
            return Some(format!("{module} is not defined"));
        }
        (!Path::new(module).exists()).then(|| format!("{module} is not there"))
    }

    /// Makes the directories and files in its place.
    pub fn furnish(&self, place: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(place)?;
        for directory in &self.directories {
            std::fs::create_dir_all(place.join(directory))?;
        }
        for (name, text) in &self.files {
            std::fs::write(place.join(name), text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_that_come_along_are_well_formed() {
        let columns = all(None).unwrap();
        assert!(columns[0].module.is_none(), "the bare library is the first");
        for column in &columns {
            for other in column.prepared_by.iter().chain(&column.beside) {
                assert!(columns.iter().any(|column| column.name == *other), "{other}");
            }
        }
    }

    #[test]
    fn a_column_without_its_module_is_missing() {
        let columns = all(None).unwrap();
        assert_eq!(columns[0].missing(), None);
        assert_eq!(columns[1].missing().unwrap(), "{keyenclave} is not defined");
        let names = BTreeMap::from([("keyenclave".into(), "/nowhere/x.so".into())]);
        assert_eq!(
            columns[1].with(&names).missing().unwrap(),
            "/nowhere/x.so is not there"
        );
    }

    #[test]
    fn names_are_filled_in_everywhere() {
        let names = BTreeMap::from([("place".into(), "/here".into())]);
        for column in all(None).unwrap() {
            let filled = column.with(&names);
            assert!(!format!("{filled:?}").contains("{place}"), "{filled:?}");
        }
    }
}
