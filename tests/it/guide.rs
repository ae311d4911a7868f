//! The guide says what the code does: its tables, its printed report, its formulas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use thermograd::systems::{GasProtocol, IsotropicGasConfig};
use thermograd::{CATALOGUE, Config, Groups, Input, Metric, Observer, Scope, Symmetry, slices};

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The documentation of a file as one line, markup of cells taken out.
fn prose(text: &str) -> String {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("//!")
            .or_else(|| line.strip_prefix("///"))
    });
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

fn unescaped(cell: &str) -> String {
    cell.trim().replace("\\|", "|").replace("\\*", "*")
}

/// The cells of a row of a table; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let inner = row.replace("\\|", "\u{0}");
    let inner = inner.trim().trim_start_matches('|').trim_end_matches('|');
    let cells = inner.split('|');
    cells
        .map(|cell| unescaped(&cell.replace('\u{0}', "\\|")))
        .collect()
}

fn scope(metric: &Metric) -> &'static str {
    match metric.scope() {
        Scope::Any => "any",
        Scope::ScaleInvariant => "scale-invariant",
        Scope::Model => "model",
        _ => "unknown",
    }
}

fn needs(metric: &Metric) -> BTreeSet<&'static str> {
    let inputs = metric.needs().iter().flat_map(|moment| moment.inputs());
    let mut signs: BTreeSet<&str> = inputs
        .map(|input| match input {
            Input::Gradient => "g",
            Input::SecondGradient => "g₂",
            Input::Preconditioner => "D",
            Input::BatchSize => "B",
            Input::LearningRate => "η",
            Input::WeightDecay => "λ",
            Input::TwoSteps => "2 steps",
            Input::ThreeSteps => "3 steps",
            Input::Centre => "centre",
            Input::IndependentLoss => "L′",
            Input::PreviousBatchLoss => "L_B(w′)",
            Input::Entropy => "S",
            _ => "unknown",
        })
        .collect();
    if signs.contains("3 steps") {
        signs.remove("2 steps");
    }
    signs
}

/// Name, symbol, unit, scope and inputs of every row are those of the catalogue, no row is
/// missing and none is there twice, and each formula is one that stands in a function's page.
#[test]
fn the_table_of_metrics_is_the_catalogue() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let told: String = files
        .iter()
        .filter(|path| !path.components().any(|part| part.as_os_str() == "guide"))
        .map(|path| prose(&fs::read_to_string(path).unwrap()))
        .collect();
    let page = source("src/guide/metrics.rs");
    let rows: Vec<Vec<String>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`"))
        .map(|row| cells(&format!("| [`{row}")))
        .filter(|row| row.len() == 8)
        .collect();
    for metric in CATALOGUE {
        let name = format!("[`{}`]", metric.name());
        let mut of_name = rows.iter().filter(|row| row[0].starts_with(&name));
        let row = of_name.next();
        let row = row.unwrap_or_else(|| panic!("no row for {}", metric.name()));
        assert!(of_name.next().is_none(), "{} twice", metric.name());
        assert_eq!(row[1], metric.symbol(), "{row:?}");
        assert_eq!(row[2], metric.unit(), "{row:?}");
        assert_eq!(row[3], scope(metric), "{row:?}");
        let given: BTreeSet<&str> = row[4].split(", ").filter(|sign| !sign.is_empty()).collect();
        assert_eq!(given, needs(metric), "{row:?}");
        assert!(told.contains(&row[5]), "no page has {:?}", row[5]);
        assert!(!row[6].is_empty() && !row[7].is_empty(), "{row:?}");
    }
    assert_eq!(rows.len(), CATALOGUE.len());
}

/// Each line of the report that `first_steps` explains is printed by its code; metrics that came
/// later may be missing from the page, and are counted there among the rest.
#[test]
fn the_printed_report_is_that_of_the_code() {
    let protocol = GasProtocol::FixedLearningRate {
        learning_rate: 0.1,
        weight_decay: 0.05,
    };
    let config = IsotropicGasConfig::new(100, protocol)
        .strength(1.0)
        .radius(3.0);
    let mut model = config.build().unwrap();
    let mut groups = Groups::new();
    let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
    let mut observer = Observer::with_config(groups, Config::every_step()).unwrap();
    for _ in 0..20_000 {
        model.draw_second();
        let second = model.second_gradient().unwrap();
        let snapshot = slices(hidden, model.weights(), model.gradient()).second_gradient(second);
        observer.observe(&model.facts(), &snapshot).unwrap();
        model.step().unwrap();
    }
    let printed = observer.report().to_string();
    let words = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter(|line| !line.ends_with("undefined)"));
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    let (told, given) = (words(&source("src/guide/first_steps.txt")), words(&printed));
    assert!(told.len() > 10);
    for line in told {
        assert!(given.contains(&line), "{line:?} is not in\n{printed}");
    }
}

/// Markdown leaves alone what follows an empty line and holds none: pictures must do both.
#[test]
fn pictures_are_not_read_as_markdown() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let mut pages = Vec::new();
    sources(&guide, &mut pages);
    let mut shown = BTreeSet::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let Some(name) = pair[1].split("pictures/").nth(1) else {
                continue;
            };
            let before = pair[0].trim();
            assert!(
                before == "//!" || before.ends_with("\"\\n\")]"),
                "{page:?}: {name}"
            );
            let name = name.split('"').next().unwrap();
            let picture = fs::read_to_string(guide.join("pictures").join(name)).unwrap();
            assert!(
                picture.lines().all(|line| !line.trim().is_empty()),
                "{name}"
            );
            shown.insert(name.to_owned());
        }
    }
    let there = fs::read_dir(guide.join("pictures")).unwrap();
    let there: BTreeSet<String> = there
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(shown, there);
}

/// A formula's rendering, in a file of its own, is that of the LaTeX that stands above it, and no
/// file is left over: `.ci/formulas.mjs` writes them.
#[test]
fn formulas_are_rendered_from_what_stands_above_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut included = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            assert!(!line.ends_with("```math"), "{file:?}: not rendered");
            if !line.ends_with(" <!-- math") {
                continue;
            }
            let body = lines.by_ref().take_while(|line| !line.ends_with(" -->"));
            let latex: Vec<&str> = body.map(|line| line[3..].trim()).collect();
            let target = lines.next().unwrap().split('"').nth(1).unwrap();
            let target = file.parent().unwrap().join(target).canonicalize().unwrap();
            let rendered = fs::read_to_string(&target).unwrap();
            let kept = rendered
                .split("application/x-tex\">")
                .nth(1)
                .and_then(|rest| rest.split("</annotation>").next())
                .unwrap();
            let kept = kept
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&");
            assert_eq!(kept, latex.join("\n"), "{file:?}: render it again");
            assert!(included.insert(target.clone()), "{target:?} is used twice");
        }
    }
    let there = fs::read_dir(root.join("math")).unwrap();
    let there: BTreeSet<PathBuf> = there
        .map(|entry| entry.unwrap().path().canonicalize().unwrap())
        .collect();
    assert_eq!(included, there);
}
