//! No lane may look at what an atomic returns: it depends on which lane came first, and a software device,
//! whose lanes run in order, never shows it.
use naga::Expression;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Why a kernel could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LintError {
    /// It is no WGSL.
    #[error("parse the kernel: {reason}")]
    Parse {
        /// Where and what.
        reason: String,
    },
    /// It is no valid shader.
    #[error("validate the kernel: {reason}")]
    Invalid {
        /// Where and what.
        reason: String,
    },
}

/// Returns the functions of a kernel that use the result of an atomic, once for every result used.
///
/// # Errors
/// [`LintError`] if it does not compile.
pub fn used_atomic_results(text: &str) -> Result<Vec<String>, LintError> {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|error| LintError::Parse { reason: error.emit_to_string(text) })?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|error| LintError::Invalid { reason: error.emit_to_string(text) })?;
    let functions = module.functions.iter().map(|(handle, it)| (it, &info[handle]));
    let entries = module.entry_points.iter().enumerate();
    let entries = entries.map(|(i, it)| (&it.function, info.get_entry_point(i)));
    let mut found = Vec::new();
    for (function, uses) in functions.chain(entries) {
        let is_result = |it: &Expression| matches!(it, Expression::AtomicResult { .. });
        let results = function.expressions.iter().filter(|(_, it)| is_result(it));
        let used = results.filter(|(handle, _)| uses[*handle].ref_count > 0);
        let name = function.name.clone().unwrap_or_default();
        found.extend(used.map(|_| name.clone()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{LintError, used_atomic_results};
    use crate::Kernel;

    fn kernel(body: &str) -> String {
        format!(
            "var<workgroup> sum: atomic<u32>;
             @group(0) @binding(0) var<storage, read_write> out: array<u32>;
             @compute @workgroup_size(64)
             fn step(@builtin(local_invocation_index) lane: u32) {{ {body} }}"
        )
    }

    #[test]
    fn our_kernel_looks_at_no_result_of_an_atomic() {
        assert_eq!(used_atomic_results(Kernel::new().text()), Ok(vec![]));
    }

    #[test]
    fn every_way_to_look_at_a_result_is_found() {
        for body in [
            "out[atomicAdd(&sum, 1u)] = lane;",
            "let slot = atomicAdd(&sum, 1u); out[slot] = lane;",
            "var slot = atomicOr(&sum, 1u << lane); out[lane] = slot;",
            "if atomicMax(&sum, lane) == 3u { out[0] = lane; }",
            "out[lane] = atomicExchange(&sum, lane);",
            "while atomicSub(&sum, 1u) > 3u { out[0] = lane; }",
            "if atomicCompareExchangeWeak(&sum, 0u, lane).exchanged { out[0] = lane; }",
        ] {
            assert_eq!(used_atomic_results(&kernel(body)), Ok(vec!["step".to_owned()]), "{body}");
        }
    }

    #[test]
    fn atomics_by_themselves_are_allowed() {
        for body in [
            "atomicAdd(&sum, 1u); workgroupBarrier(); out[lane] = atomicLoad(&sum);",
            "atomicStore(&sum, lane); atomicMin(&sum, 7u); atomicOr(&sum, 8u);",
        ] {
            assert_eq!(used_atomic_results(&kernel(body)), Ok(vec![]), "{body}");
        }
    }

    #[test]
    fn what_is_no_shader_says_where() {
        let error = used_atomic_results(&kernel("out[lane] = ;")).unwrap_err();
        assert!(
            matches!(&error, LintError::Parse { reason } if reason.contains("wgsl:4")),
            "{error}"
        );
    }
}
