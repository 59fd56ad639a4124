// SPDX-License-Identifier: MIT
//! The report as JUnit's XML, which build servers read. A failure that is expected counts as skipped there.

use crate::expectations::Verdict;
use crate::run::{Judged, Run};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The whole run against the module called `name`.
///
/// # Errors
/// It cannot be written as XML.
pub fn junit(name: &str, run: &Run) -> Result<String, String> {
    let mut suite = TestSuite::new(name);
    suite.add_test_cases(run.cases.iter().map(case));
    let mut report = Report::new("PKCS#11 conformance");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

fn case(one: &Judged) -> TestCase {
    let status = match &one.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Expected(reason) => skipped(&format!("fails, as expected: {reason}")),
        Verdict::Skipped(reason) => skipped(reason),
        Verdict::Wrong(what) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(what.as_str());
            status.set_description(one.output.as_deref().unwrap_or_default());
            status
        }
    };
    let mut case = TestCase::new(one.case.id, status);
    case.set_classname(one.case.section).set_time(one.took);
    case
}

fn skipped(reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(reason);
    status
}
