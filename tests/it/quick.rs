//! The profile `quick` of nextest leaves out what is there: a filter that matches nothing says
//! nothing.

use std::path::Path;

#[test]
fn every_module_that_quick_leaves_out_holds_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = std::fs::read_to_string(root.join(".config/nextest.toml")).unwrap();
    let (_, filter) = config.split_once("[profile.quick]").expect("the profile");
    let lines = || filter.lines().filter(|line| !line.trim_start().starts_with('#'));
    let module = |line: &str| {
        let (_, rest) = line.split_once("test(/^")?;
        rest.strip_suffix("::/)").map(|module| module.replace("::", "/"))
    };
    let modules: Vec<String> = lines().filter_map(module).collect();
    assert_eq!(modules.len(), lines().filter(|line| line.contains("test(")).count(), "one a line");
    assert!(!modules.is_empty(), "the filter is read");
    for module in modules {
        let files = [format!("{module}.rs"), format!("{module}/mod.rs")];
        let texts = files.map(|file| std::fs::read_to_string(root.join("tests/it").join(file)));
        let text = texts.into_iter().find_map(Result::ok);
        let holds =
            text.is_some_and(|text| text.contains("#[test]") || text.contains("#[tokio::test"));
        assert!(holds, "{module} is left out of the profile `quick` and holds no test");
    }
}
