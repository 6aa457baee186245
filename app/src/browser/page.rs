//! `js/page.js`: popovers, dialogs, clipboard, theme.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/js/page.js")]
#[expect(non_snake_case, reason = "the names of the JavaScript functions")]
extern "C" {
    /// Closes popovers on clicks outside and on Escape; once a page.
    pub fn install();
    /// Closes the topmost popover; whether there was one.
    pub fn closePopover() -> bool;
    /// Brings the section of a heading with this id into view and begins reading there.
    pub fn showHeading(id: &str);
    /// Whether the focus is in something that the arrow keys scroll.
    pub fn scrollsSideways() -> bool;
    /// Opens or closes the popover with this id.
    pub fn togglePopover(id: &str);
    /// Opens a dialog as modal.
    pub fn showDialog(id: &str);
    /// Whether a dialog is open.
    pub fn isDialogOpen() -> bool;
    /// Closes a dialog.
    pub fn closeDialog(id: &str);
    /// Gives the first control of the element with this id the focus, if the one before was lost.
    pub fn refocus(id: &str);
    /// Whether no control has the focus.
    pub fn nothingFocused() -> bool;
    /// Moves the focus along the links shown in the element with this id, from its field on; 0 follows the first of them.
    pub fn walk(id: &str, step: i32);
    /// Puts the focus into the search of the page's first list; whether there is one.
    pub fn search() -> bool;
    /// Moves the focus to the next row that opens (1), or the previous one (-1).
    pub fn stepRow(step: i32);
    /// Has the browser keep a drawing as a PNG of this name.
    pub fn savePicture(svg: &str, width: u32, height: u32, name: &str);
    /// Whether single keys do something.
    pub fn keysWork() -> bool;
    /// Switches single keys on or off, in this browser.
    pub fn setKeys(on: bool);
    /// Puts text on the clipboard; whether that worked.
    pub async fn copy(text: &str) -> JsValue;
    /// Shows a theme and has the server remember it.
    pub async fn setTheme(theme: &str) -> JsValue;
}
