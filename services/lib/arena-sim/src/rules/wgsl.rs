//! The rules as shader text.

/// The two built-ins that Rust spells with methods and WGSL with plain operators.
const PRELUDE: &str = "fn wadd(a: u32, b: u32) -> u32 { return a + b; }\n\
                       fn wmul(a: u32, b: u32) -> u32 { return a * b; }\n";

/// Every file of the rules, in an order that needs no forward reference.
const FILES: [&str; 8] = [
    include_str!("hash.rs"),
    include_str!("space.rs"),
    include_str!("movement.rs"),
    include_str!("projectile.rs"),
    include_str!("hit.rs"),
    include_str!("status.rs"),
    include_str!("teams.rs"),
    include_str!("crowd.rs"),
];

/// Returns the WGSL text of all rules: what the GPU backend puts in front of its phase drivers.
#[must_use]
pub fn wgsl() -> String {
    let mut text = PRELUDE.to_owned();
    for line in FILES.iter().flat_map(|file| file.lines()) {
        let code = line.trim_start();
        if code.starts_with("use ") || code.starts_with("#[") || code.starts_with("//") {
            continue;
        }
        text += &line.replacen("pub ", "", 1).replace("let mut ", "var ");
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::wgsl;

    #[test]
    fn the_rules_use_only_what_both_languages_have() {
        for (number, line) in wgsl().lines().enumerate() {
            for outside in [
                " as ", "::", "&mut", "match ", "for ", "..", "Some", "unwrap", "'", "\"", "pub ",
                "mut ", "_add(", "_mul(", "self", "1_", "0_", "let _",
            ] {
                assert!(!line.contains(outside), "line {number} uses `{outside}`: {line}");
            }
            let method = line.split('.').skip(1).any(|rest| rest.contains('('));
            assert!(!method, "line {number} calls a method: {line}");
        }
    }

    #[test]
    fn no_two_rules_share_a_name_in_the_one_shader_module() {
        let text = wgsl();
        let mut names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("fn "))
            .filter_map(|rest| rest.split('(').next())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(all > 25, "found {all} functions: were the files read?");
    }
}
