//! The run as a picture on the terminal.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Cell, Gauge, Paragraph, Row, Sparkline, Table};
use ratatui::{DefaultTerminal, Frame};

use crate::chronicle::{Note, Tone};
use crate::picture::{Picture, ShardRow, ShardState, WorkerRow, age, grouped, per_second, seconds};

/// One for each worker, then again from the first.
const COLOURS: [Color; 6] = [
    Color::Cyan,
    Color::Magenta,
    Color::Yellow,
    Color::Green,
    Color::Blue,
    Color::LightRed,
];

/// A terminal that was taken over. Panics give it back by themselves: ratatui sees to it.
pub(crate) struct Live {
    terminal: DefaultTerminal,
}

impl Live {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            terminal: ratatui::try_init()?,
        })
    }

    /// False when a person has seen enough. In raw mode Ctrl-C is a key like any other.
    pub(crate) fn draw(&mut self, picture: &Picture) -> io::Result<bool> {
        while event::poll(Duration::ZERO)? {
            if matches!(event::read()?, Input::Key(key) if ends_it(key)) {
                return Ok(false);
            }
        }
        self.terminal.draw(|frame| draw(picture, frame))?;
        Ok(true)
    }

    pub(crate) fn close(self) {
        ratatui::restore();
    }
}

fn ends_it(key: KeyEvent) -> bool {
    let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    ctrl_c || key.code == KeyCode::Char('q')
}

fn draw(picture: &Picture, frame: &mut Frame<'_>) {
    let workers = u16::try_from(picture.workers.len()).unwrap_or(u16::MAX);
    let shards = u16::try_from(picture.shards.len()).unwrap_or(u16::MAX);
    let head = workers.clamp(5, 8) + 2;
    let [title, top, middle, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(head),
        Constraint::Length(shards.max(6) + 3),
        Constraint::Min(5),
    ])
    .areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Length(36), Constraint::Min(30)]).areas(top);
    draw_title(picture, frame, title);
    draw_workers(picture, frame, left);
    draw_records(picture, frame, right);
    draw_shards(picture, frame, middle);
    draw_notes(picture, frame, bottom);
}

fn draw_title(picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let title = Line::from(vec![
        " shardkeeper quickstart ".bold().black().on_cyan(),
        format!("  {}  ", seconds(picture.elapsed)).bold(),
        picture.title.as_str().into(),
    ]);
    frame.render_widget(title, area);
}

fn draw_workers(picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let row = |worker: &WorkerRow| {
        let state = match worker.state {
            "killed" | "in trouble" => worker.state.red().bold(),
            "at work" => worker.state.green(),
            _ => worker.state.dim(),
        };
        Row::new([
            Cell::from(Span::styled(
                worker.name.clone(),
                style_of(picture, &worker.name),
            )),
            Cell::from(state),
            Cell::from("■".repeat(worker.shards)).style(style_of(picture, &worker.name)),
            Cell::from(if worker.lists { "lists" } else { "" }).dim(),
        ])
    };
    let widths = [10, 10, 7, 5].map(Constraint::Length);
    let table = Table::new(picture.workers.iter().map(row), widths).block(framed("workers"));
    frame.render_widget(table, area);
}

fn draw_records(picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let block = framed("records");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [bar, numbers, chart] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
    ])
    .areas(inner);
    let part = picture.written as f64 / picture.target.max(1) as f64;
    let gauge = Gauge::default()
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::DarkGray))
        .ratio(part.clamp(0.0, 1.0))
        .label(format!(
            "{} of {} written",
            grouped(picture.written),
            grouped(picture.target)
        ));
    frame.render_widget(gauge, bar);
    let line = Line::from(vec![
        grouped(picture.processed).bold(),
        " processed  ".into(),
        grouped(picture.per_second).bold(),
        "/s  ".into(),
        "oldest ".into(),
        age(picture.age()).bold(),
    ]);
    frame.render_widget(line, numbers);
    let width = usize::from(chart.width);
    let skipped = picture.bins.len().saturating_sub(width);
    let bins: Vec<u64> = picture
        .bins
        .iter()
        .skip(skipped)
        .map(|bin| per_second(*bin))
        .collect();
    frame.render_widget(Sparkline::default().data(&bins).style(Color::Cyan), chart);
}

fn draw_shards(picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let heading = [
        "shard", "follows", "owner", "state", "records", "age", "token",
    ];
    let widths = [10, 10, 10, 9, 9, 7, 5].map(Constraint::Length);
    let title = format!("shards: {} open, {} ended", picture.open(), picture.ended);
    let rows = picture.shards.iter().map(|shard| shard_row(picture, shard));
    let table = Table::new(rows, widths)
        .header(Row::new(heading).dim())
        .column_spacing(2)
        .block(framed(&title));
    frame.render_widget(table, area);
}

fn shard_row<'a>(picture: &Picture, shard: &'a ShardRow) -> Row<'a> {
    let owner = shard.owner.as_deref().unwrap_or("");
    let state = match shard.state {
        ShardState::Reading => "reading".green(),
        ShardState::Waiting => "waiting".yellow().bold(),
        ShardState::Stopped => "stopped".red().bold(),
        ShardState::Ended => "ended".dim(),
    };
    let ended = shard.state == ShardState::Ended;
    let number = |number: u64| {
        if ended {
            String::new()
        } else {
            grouped(number)
        }
    };
    let row = Row::new([
        Cell::from(shard.name.as_str()),
        Cell::from(shard.follows.as_str()).dim(),
        Cell::from(owner).style(style_of(picture, owner)),
        Cell::from(state),
        Cell::from(Line::from(number(shard.records)).right_aligned()),
        Cell::from(Line::from(age(shard.age)).right_aligned()),
        Cell::from(Line::from(number(shard.epoch)).right_aligned()),
    ]);
    if ended { row.dim() } else { row }
}

fn draw_notes(picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let way_out = Line::from(" Ctrl-C ends it ").dim().right_aligned();
    let block = framed("what happens").title_bottom(way_out);
    let height = usize::from(block.inner(area).height);
    let skipped = picture.notes.len().saturating_sub(height);
    let lines: Vec<Line<'_>> = picture
        .notes
        .iter()
        .skip(skipped)
        .map(|note| note_line(picture, note))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Names of workers have the workers' colours.
fn note_line<'a>(picture: &Picture, note: &'a Note) -> Line<'a> {
    let style = match note.tone {
        Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
        Tone::News => Style::new(),
        Tone::Bad => Style::new().fg(Color::Red).bold(),
    };
    let at = format!("{:>7}  ", seconds(note.at)).dim();
    let words = note.text.split_inclusive(' ').map(|word| {
        let owner = style_of(picture, word.trim_end_matches([' ', ':']));
        Span::styled(word, style.patch(owner))
    });
    Line::from_iter(std::iter::once(at).chain(words))
}

fn style_of(picture: &Picture, worker: &str) -> Style {
    let place = picture.workers.iter().position(|row| row.name == worker);
    place.map_or_else(Style::new, |place| {
        Style::new().fg(COLOURS[place % COLOURS.len()])
    })
}

fn framed(title: &str) -> Block<'static> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(format!(" {title} ").bold())
}
