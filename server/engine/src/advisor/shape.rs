//! What a statement asks of its tables: which columns it compares, how, and in which order it wants its rows.

use super::catalog::{Catalog, Table};
use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    JoinConstraint, JoinOperator, LimitClause, ObjectName, OrderByKind, Query, Select, SetExpr, Statement, TableFactor,
    TableWithJoins, UnaryOperator, UpdateTableFromKind, Value, Visit, Visitor, visit_relations,
};
use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

/// Most conditions of a block that are followed.
const MAX_CONJUNCTS: usize = 200;
/// Most uses of tables taken from a statement.
const MAX_USES: usize = 20;

/// Something that an index can be over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A column.
    Column(String),
    /// A function of one column: its name as the catalogue resolves it, schema first where it has one, and the column.
    Call(Vec<String>, String),
}

/// How rows are ordered by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub key: Key,
    pub descending: bool,
    pub nulls_first: Option<bool>,
}

/// A condition that holds for any parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fixed {
    /// `column IS NULL` or `IS NOT NULL`.
    Null { column: String, is_null: bool },
    /// A column of type boolean, or its opposite.
    Flag { column: String, is_true: bool },
}

/// What a statement asks of one table in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Use {
    pub table: u32,
    /// Compared for equality with values.
    pub equal: BTreeSet<Key>,
    /// Compared for equality with other tables.
    pub joined: BTreeSet<Key>,
    pub ranges: BTreeSet<Key>,
    pub fixed: BTreeSet<Fixed>,
    /// Columns searched for what they contain: `@>`, `?`, `&&`, `@@`, with the operator.
    pub contains: BTreeSet<(String, String)>,
    /// Columns compared by LIKE, ILIKE or a regular expression.
    pub patterns: BTreeSet<Key>,
    pub order: Vec<Ordered>,
    pub has_limit: bool,
    /// Conditions that no index can be advised for, and why.
    pub unknown: BTreeSet<String>,
}

impl Use {
    fn is_empty(&self) -> bool {
        let Use { equal, joined, ranges, contains, patterns, order, fixed, unknown, .. } = self;
        let keys = equal.is_empty() && joined.is_empty() && ranges.is_empty() && patterns.is_empty();
        keys && contains.is_empty() && order.is_empty() && fixed.is_empty() && unknown.is_empty()
    }
}

/// The names of the tables that a statement reads, without those that it makes itself (WITH).
pub fn relations(statement: &Statement) -> BTreeSet<Vec<String>> {
    let mut names = BTreeSet::new();
    let _never_broken = visit_relations(statement, |name| {
        if let Some(parts) = parts(name) {
            names.insert(parts);
        }
        ControlFlow::<()>::Continue(())
    });
    struct Made(BTreeSet<String>);
    impl Visitor for Made {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            for table in query.with.iter().flat_map(|with| &with.cte_tables) {
                self.0.insert(folded(&table.alias.name));
            }
            ControlFlow::Continue(())
        }
    }
    let mut made = Made(BTreeSet::new());
    let _never_broken = statement.visit(&mut made);
    names.retain(|parts| !(parts.len() == 1 && made.0.contains(&parts[0])));
    names
}

/// As PostgreSQL folds names.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.replace("\"\"", "\"") } else { ident.value.to_lowercase() }
}

fn parts(name: &ObjectName) -> Option<Vec<String>> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    parts.filter(|parts| (1..=2).contains(&parts.len()))
}

/// What a statement asks of the tables of the catalogue.
pub fn uses(statement: &Statement, catalog: &Catalog) -> Vec<Use> {
    let mut walk = Walk { catalog, uses: Vec::new() };
    match statement {
        Statement::Update(update) => {
            let mut from = vec![&update.table];
            if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = &update.from {
                from.extend(tables);
            }
            walk.block(&from, update.selection.as_ref(), &[], false);
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let from: Vec<&TableWithJoins> = from.iter().chain(delete.using.iter().flatten()).collect();
            walk.block(&from, delete.selection.as_ref(), &[], false);
        }
        _ => {}
    }
    let _never_broken = statement.visit(&mut walk);
    walk.uses.retain(|found| !found.is_empty());
    walk.uses.truncate(MAX_USES);
    walk.uses
}

struct Walk<'a> {
    catalog: &'a Catalog,
    uses: Vec<Use>,
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let has_limit = query.fetch.is_some()
            || matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit: Some(_), .. }));
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(order)) => order.as_slice(),
            _ => &[],
        };
        self.body(&query.body, order, has_limit);
        ControlFlow::Continue(())
    }
}

/// A table in scope, by the name that the statement gives it.
struct InScope {
    name: String,
    table: Option<Arc<Table>>,
    at: usize,
    /// Whether an outer join may put NULL in the place of its rows.
    is_nullable: bool,
}

/// A condition, and of which uses of tables it does not choose the rows.
struct Condition<'e> {
    expr: &'e Expr,
    /// Those that an outer join below may fill with NULL: `IS NULL` asks for rows without a partner there.
    nullable: BTreeSet<usize>,
    /// Those whose rows come whether or not they meet it.
    unfiltered: BTreeSet<usize>,
}

impl<'e> Condition<'e> {
    fn over(expr: &'e Expr, scope: &[InScope]) -> Self {
        let known = scope.iter().filter(|entry| entry.is_nullable && entry.table.is_some());
        Condition { expr, nullable: known.map(|entry| entry.at).collect(), unfiltered: BTreeSet::new() }
    }

    /// Whether it chooses the rows of this use.
    fn chooses(&self, at: usize) -> bool {
        !self.unfiltered.contains(&at)
    }

    /// Whether a partial index can stand for this part of it.
    fn fixes(&self, at: usize, fixed: &Fixed) -> bool {
        let asks_for_none = matches!(fixed, Fixed::Null { is_null: true, .. });
        self.chooses(at) && !(asks_for_none && self.nullable.contains(&at))
    }
}

impl Walk<'_> {
    fn body(&mut self, body: &SetExpr, order: &[sqlparser::ast::OrderByExpr], has_limit: bool) {
        match body {
            SetExpr::Select(select) => self.select(select, order, has_limit),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, &[], false);
                self.body(right, &[], false);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &Select, order: &[sqlparser::ast::OrderByExpr], has_limit: bool) {
        let from: Vec<&TableWithJoins> = select.from.iter().collect();
        let is_grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        };
        let order = if is_grouped || select.distinct.is_some() { &[] } else { order };
        self.block(&from, select.selection.as_ref(), order, has_limit);
    }

    fn block(
        &mut self,
        from: &[&TableWithJoins],
        selection: Option<&Expr>,
        order: &[sqlparser::ast::OrderByExpr],
        has_limit: bool,
    ) {
        let mut scope: Vec<InScope> = Vec::new();
        let mut conditions: Vec<Condition<'_>> = Vec::new();
        for tree in from {
            self.tree(tree, &mut scope, &mut conditions);
        }
        if let Some(selection) = selection {
            conditions.push(Condition::over(selection, &scope));
        }
        let mut left = MAX_CONJUNCTS;
        for condition in conditions {
            let mut conjuncts = Vec::new();
            split(condition.expr, left, &mut conjuncts);
            left -= conjuncts.len();
            for conjunct in conjuncts {
                self.conjunct(conjunct, &condition, &scope);
            }
        }
        self.order(order, &scope, has_limit);
    }

    /// Tables that are joined, and the conditions of their joins.
    fn tree<'e>(&mut self, tree: &'e TableWithJoins, scope: &mut Vec<InScope>, conditions: &mut Vec<Condition<'e>>) {
        let first = scope.len();
        self.factor(&tree.relation, scope, conditions);
        for join in &tree.joins {
            let second = scope.len();
            self.factor(&join.relation, scope, conditions);
            let (left, right) = preserved(&join.join_operator);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(on)) => {
                    let mut condition = Condition::over(on, &scope[first..]);
                    // Rows of a preserved side come whether or not they meet it.
                    for (is_preserved, side) in [(left, &scope[first..second]), (right, &scope[second..])] {
                        let known = side.iter().filter(|entry| is_preserved && entry.table.is_some());
                        condition.unfiltered.extend(known.map(|entry| entry.at));
                    }
                    conditions.push(condition);
                }
                Some(JoinConstraint::Using(columns)) => {
                    for column in columns.iter().filter_map(parts).filter_map(|parts| parts.into_iter().next()) {
                        for table in scope.iter().filter(|entry| entry.table.is_some()) {
                            self.uses[table.at].joined.insert(Key::Column(column.clone()));
                        }
                    }
                }
                _ => {}
            }
            scope[first..second].iter_mut().for_each(|entry| entry.is_nullable |= right);
            scope[second..].iter_mut().for_each(|entry| entry.is_nullable |= left);
        }
    }

    fn factor<'e>(&mut self, factor: &'e TableFactor, scope: &mut Vec<InScope>, conditions: &mut Vec<Condition<'e>>) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let Some(parts) = parts(name) else { return };
                let table = self.catalog.by_name(&parts);
                let name = alias.as_ref().map(|alias| folded(&alias.name)).or_else(|| parts.last().cloned());
                if let Some(table) = &table {
                    self.uses.push(Use { table: table.oid, ..Use::default() });
                }
                let at = self.uses.len().saturating_sub(1);
                scope.push(InScope { name: name.unwrap_or_default(), table, at, is_nullable: false });
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.tree(table_with_joins, scope, conditions),
            // Its columns may bear any name.
            other => {
                let name = match other {
                    TableFactor::Derived { alias: Some(alias), .. }
                    | TableFactor::Function { alias: Some(alias), .. } => folded(&alias.name),
                    _ => String::new(),
                };
                scope.push(InScope { name, table: None, at: 0, is_nullable: false });
            }
        }
    }

    /// The table and column that an expression is.
    fn column(&self, expr: &Expr, scope: &[InScope]) -> Option<(usize, String)> {
        let (qualifier, column) = match expr {
            Expr::Identifier(ident) => (None, folded(ident)),
            Expr::CompoundIdentifier(idents) => {
                let [.., qualifier, column] = idents.as_slice() else { return None };
                (Some(folded(qualifier)), folded(column))
            }
            Expr::Nested(inner) => return self.column(inner, scope),
            _ => return None,
        };
        let has = |entry: &&InScope| entry.table.as_ref().is_some_and(|table| table.column(&column).is_some());
        let mut found = scope
            .iter()
            .filter(|entry| qualifier.as_ref().is_none_or(|qualifier| *qualifier == entry.name))
            .filter(has);
        let entry = found.next()?;
        found.next().is_none().then_some((entry.at, column))
    }

    /// The table and key that an expression is.
    fn key(&self, expr: &Expr, scope: &[InScope]) -> Option<(usize, Key)> {
        match expr {
            Expr::Nested(inner) => self.key(inner, scope),
            Expr::Function(function) => self.call(function, scope),
            _ => self.column(expr, scope).map(|(at, column)| (at, Key::Column(column))),
        }
    }

    /// The column that an expression is, where the condition chooses rows by it.
    fn chosen_column(&self, expr: &Expr, of: &Condition<'_>, scope: &[InScope]) -> Option<(usize, String)> {
        self.column(expr, scope).filter(|(at, _)| of.chooses(*at))
    }

    /// The key that an expression is, where the condition chooses rows by it.
    fn chosen_key(&self, expr: &Expr, of: &Condition<'_>, scope: &[InScope]) -> Option<(usize, Key)> {
        self.key(expr, scope).filter(|(at, _)| of.chooses(*at))
    }

    /// `lower(column)`: a function of one column and nothing else.
    fn call(&self, function: &Function, scope: &[InScope]) -> Option<(usize, Key)> {
        let name = self.catalog.resolved(&parts(&function.name)?);
        let FunctionArguments::List(list) = &function.args else { return None };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
        let plain = function.over.is_none() && function.filter.is_none() && list.clauses.is_empty();
        let (at, column) = self.column(argument, scope).filter(|_| plain)?;
        Some((at, Key::Call(name, column)))
    }

    fn conjunct(&mut self, expr: &Expr, of: &Condition<'_>, scope: &[InScope]) {
        match expr {
            Expr::BinaryOp { left, op, right } => {
                self.comparison(left, op, right, of, scope);
                if let Some(flipped) = flipped(op) {
                    self.comparison(right, &flipped, left, of, scope);
                }
            }
            Expr::InList { expr, negated: false, .. } => self.equal(expr, of, scope),
            Expr::InSubquery { expr, negated: false, .. } => {
                if let Some((at, key)) = self.chosen_key(expr, of, scope) {
                    self.uses[at].joined.insert(key);
                }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, .. } => self.equal(left, of, scope),
            Expr::Between { expr, negated: false, .. } => {
                if let Some((at, key)) = self.chosen_key(expr, of, scope) {
                    self.uses[at].ranges.insert(key);
                }
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                let is_null = matches!(expr, Expr::IsNull(_));
                if let Some((at, column)) = self.column(inner, scope) {
                    self.fix(at, Fixed::Null { column, is_null }, of);
                }
            }
            Expr::IsTrue(inner) => self.flag(inner, true, of, scope),
            Expr::IsFalse(inner) => self.flag(inner, false, of, scope),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.flag(expr, false, of, scope),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.flag(expr, true, of, scope),
            Expr::Like { expr, negated: false, .. } | Expr::ILike { expr, negated: false, .. } => {
                self.pattern(expr, of, scope);
            }
            _ => {}
        }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, of: &Condition<'_>, scope: &[InScope]) {
        use BinaryOperator as Op;
        match op {
            Op::Eq => match (self.key(left, scope), self.key(right, scope)) {
                // An index can serve the join from either side, also the one whose rows all come.
                (Some((at, key)), Some((other, _))) if at != other => {
                    self.uses[at].joined.insert(key);
                }
                // Two columns of one row: nothing to look up.
                (Some(_), Some(_)) => {}
                _ => self.equal(left, of, scope),
            },
            Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => {
                if let Some((at, key)) = self.chosen_key(left, of, scope)
                    // A range between two columns of one table bounds neither.
                    && self.key(right, scope).is_none_or(|(other, _)| other != at)
                {
                    self.uses[at].ranges.insert(key);
                }
            }
            Op::AtArrow
            | Op::ArrowAt
            | Op::Question
            | Op::QuestionAnd
            | Op::QuestionPipe
            | Op::PGOverlap
            | Op::AtAt => {
                if let Some((at, column)) = self.chosen_column(left, of, scope) {
                    self.uses[at].contains.insert((column, op.to_string()));
                } else if *op == Op::AtAt
                    && let Expr::Function(function) = left
                {
                    self.parsed_text(function, of, scope);
                }
            }
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGLikeMatch | Op::PGILikeMatch => self.pattern(left, of, scope),
            _ => {}
        }
    }

    /// `to_tsvector($1, body) @@ …`: which configuration is not known.
    fn parsed_text(&mut self, function: &Function, of: &Condition<'_>, scope: &[InScope]) {
        let FunctionArguments::List(list) = &function.args else { return };
        for argument in &list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument
                && let Some((at, column)) = self.chosen_column(argument, of, scope)
            {
                self.uses[at].unknown.insert(format!(
                    "full text search in {column}: its configuration is a constant, which pg_stat_statements shows as $n. \
                     A stored tsvector column with a GIN index would serve it"
                ));
            }
        }
    }

    fn equal(&mut self, expr: &Expr, of: &Condition<'_>, scope: &[InScope]) {
        if let Some((at, key)) = self.chosen_key(expr, of, scope) {
            self.uses[at].equal.insert(key);
        } else if let Expr::BinaryOp { left, op: BinaryOperator::LongArrow | BinaryOperator::Arrow, .. } = strip(expr)
            && let Some((at, column)) = self.chosen_column(left, of, scope)
        {
            self.uses[at].unknown.insert(format!(
                "a field of {column}: its name is a constant, which pg_stat_statements shows as $n. Where the field is \
                 known, an index over ({column} ->> 'field') serves it"
            ));
        } else if let Expr::Function(function) = strip(expr)
            && let FunctionArguments::List(list) = &function.args
        {
            for argument in &list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument
                    && let Some((at, column)) = self.chosen_column(argument, of, scope)
                {
                    self.uses[at].unknown.insert(format!(
                        "an expression over {column}: it has constants, which pg_stat_statements shows as $n"
                    ));
                }
            }
        }
    }

    fn flag(&mut self, expr: &Expr, is_true: bool, of: &Condition<'_>, scope: &[InScope]) {
        if let Some((at, column)) = self.column(expr, scope) {
            self.fix(at, Fixed::Flag { column, is_true }, of);
        }
    }

    fn fix(&mut self, at: usize, fixed: Fixed, of: &Condition<'_>) {
        if of.fixes(at, &fixed) {
            self.uses[at].fixed.insert(fixed);
        }
    }

    fn pattern(&mut self, expr: &Expr, of: &Condition<'_>, scope: &[InScope]) {
        if let Some((at, key)) = self.chosen_key(expr, of, scope) {
            self.uses[at].patterns.insert(key);
        }
    }

    fn order(&mut self, order: &[sqlparser::ast::OrderByExpr], scope: &[InScope], has_limit: bool) {
        let keys: Option<Vec<(usize, Ordered)>> = order
            .iter()
            .map(|by| {
                let (at, key) = self.key(&by.expr, scope)?;
                let descending = by.options.asc == Some(false);
                Some((at, Ordered { key, descending, nulls_first: by.options.nulls_first }))
            })
            .collect();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else { return };
        let at = keys[0].0;
        // An index gives the order of one table alone.
        if keys.iter().all(|(other, _)| *other == at) {
            self.uses[at].order = keys.into_iter().map(|(_, ordered)| ordered).collect();
            self.uses[at].has_limit = has_limit;
        }
    }
}

fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Whether a join keeps the rows without a partner of its left and of its right side.
fn preserved(operator: &JoinOperator) -> (bool, bool) {
    match operator {
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (true, false),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (false, true),
        JoinOperator::FullOuter(_) => (true, true),
        _ => (false, false),
    }
}

/// The parts of a chain of AND, at most `most`.
fn split<'a>(expr: &'a Expr, most: usize, into: &mut Vec<&'a Expr>) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => open.extend([&**left, &**right]),
            // Nothing of ours: where the optimiser would find it, so does the planner.
            Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => {}
            other if into.len() < most => into.push(other),
            _ => return,
        }
    }
}

/// The operator with its sides changed.
fn flipped(op: &BinaryOperator) -> Option<BinaryOperator> {
    use BinaryOperator as Op;
    Some(match op {
        Op::Eq => Op::Eq,
        Op::Lt => Op::Gt,
        Op::LtEq => Op::GtEq,
        Op::Gt => Op::Lt,
        Op::GtEq => Op::LtEq,
        _ => return None,
    })
}
