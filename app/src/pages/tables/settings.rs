//! Settings that are worth a look.

use super::{server::part, store::use_store};
use crate::components::{remedy::RemedyView, status::Mark};
use headroom_model::{
    Band, format,
    observation::Remedy,
    tables::{SettingAdvice, SettingsReport},
};
use leptos::prelude::*;

/// The sheet.
#[component]
pub fn Settings() -> impl IntoView {
    let store = use_store();
    view! {
        <section class="sheet" aria-labelledby="h-settings">
            <div class="cell-head pad-head">
                <h2 id="h-settings">"Settings worth a look"</h2>
                <small>"each with its reason, and where the documentation says so"</small>
            </div>
            {part(store.part(|server| &server.settings), |report| view! { <Report report/> }.into_any())}
        </section>
    }
    .into_any()
}

#[component]
fn Report(report: SettingsReport) -> impl IntoView {
    let checked = format::counted(report.checked.into(), "rule");
    if report.advice.is_empty() {
        return view! { <p class="cell sub">{format!("Nothing: {checked} found nothing to say.")}</p> }.into_any();
    }
    let row = |advice: SettingAdvice| {
        let (status, word) = if advice.is_risk { (Some(Band::Critical), "risk") } else { (Some(Band::Good), "advice") };
        view! {
            <tr>
                <th scope="row" class="mono">
                    {advice.name}
                </th>
                <td class="mono">{advice.value}</td>
                <td>
                    <Mark status text=word/>
                </td>
                <td class="wrap">
                    {advice.reason} " "
                    <a href=advice.source rel="external noreferrer">
                        "Documentation"
                    </a>
                </td>
                <td>
                    {advice
                        .remedy
                        .map(|sql| {
                            let remedy = match sql.starts_with("ALTER") {
                                true => Remedy::Sql { label: "Change it".to_owned(), sql },
                                false => Remedy::Text { text: sql },
                            };
                            view! { <RemedyView remedy/> }
                        })}
                </td>
            </tr>
        }
    };
    view! {
        <div class="scroll-x" tabindex="0" role="group" aria-label="Settings, table">
            <table class="tbl plain" style="min-inline-size:52rem">
                <caption class="vh">"Settings worth a look"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Setting"</th>
                        <th scope="col">"Value"</th>
                        <th scope="col">"Kind"</th>
                        <th scope="col">"Why"</th>
                        <th scope="col">"Remedy"</th>
                    </tr>
                </thead>
                <tbody>{report.advice.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        <p class="cell note">{format!("{checked} checked.")}</p>
    }
    .into_any()
}
