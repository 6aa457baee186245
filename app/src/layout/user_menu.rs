//! Who looks, with which rights, and the way out.

use super::use_frame;
use headroom_model::access::Proof;
use leptos::prelude::*;

/// Two letters for the disc: initials of up to two words.
fn initials(name: &str) -> String {
    let letters: String =
        name.split(|c: char| !c.is_alphanumeric()).filter_map(|word| word.chars().next()).take(2).collect();
    letters.to_uppercase()
}

/// The menu.
#[component]
pub fn UserMenu() -> impl IntoView {
    let frame = use_frame();
    let actor = Memo::new(move |_| frame.shell.with(|shell| shell.actor.clone()));
    let name = move || actor.with(|actor| actor.name.clone());
    let help = move |_| {
        #[cfg(feature = "hydrate")]
        {
            crate::browser::page::closePopover();
            crate::browser::page::showDialog(super::help::ID);
        }
    };
    let rights = move || {
        actor.with(|actor| match actor.proof {
            Proof::Loopback => "Open access: no user is defined".to_owned(),
            Proof::Session | Proof::Token => format!("Role {}", actor.role),
        })
    };
    view! {
        <details class="pop user">
            <summary
                class="btn ghost icon"
                aria-label=move || format!("User menu, {}", name())
                title=name
            >
                <span class="avatar" aria-hidden="true">
                    {move || initials(&name())}
                </span>
            </summary>
            <div class="panel flush menu" style="min-inline-size:14rem">
                <p class="menu-head">
                    <b>{name}</b>
                    <small class="sub">{rights}</small>
                </p>
                <Show when=move || frame.alive.get()>
                    <button type="button" on:click=help>
                        <span>"Keyboard"</span>
                        <kbd>"?"</kbd>
                    </button>
                </Show>
                <Show when=move || actor.with(|actor| actor.proof == Proof::Session)>
                    <form method="post" action="/logout">
                        <button>"Sign out"</button>
                    </form>
                </Show>
            </div>
        </details>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn names_become_initials() {
        assert_eq!(initials("operator 1"), "O1");
        assert_eq!(initials("local"), "L");
        assert_eq!(initials("jean-luc.picard"), "JL");
        assert_eq!(initials(""), "");
    }
}
