// How a body moves: `arena-sim/src/movement.rs` for players and drones.

struct Body {
    radius: i32,
    push: i32,
    drag_shift: u32,
    speed_max: i32,
}

// Returns (x, y, vx, vy) after one tick.
fn walk(before: vec4<i32>, stick_x: i32, stick_y: i32, body: Body) -> vec4<i32> {
    let vx = accelerate(before.z, steer(stick_x, stick_y), body.push, body.drag_shift, body.speed_max);
    let vy = accelerate(before.w, steer(stick_y, stick_x), body.push, body.drag_shift, body.speed_max);

    let wanted_x = before.x + (vx << 4u);
    var x = confine(wanted_x, body.radius);
    let edge_x = leading_edge(x, vx, body.radius);
    if wall_at(edge_x, before.y - body.radius) || wall_at(edge_x, before.y + body.radius) {
        x = contact(edge_x, vx, body.radius);
    }

    let wanted_y = before.y + (vy << 4u);
    var y = confine(wanted_y, body.radius);
    let edge_y = leading_edge(y, vy, body.radius);
    if wall_at(x - body.radius, edge_y) || wall_at(x + body.radius, edge_y) {
        y = contact(edge_y, vy, body.radius);
    }
    return vec4<i32>(x, y, select(0, vx, x == wanted_x), select(0, vy, y == wanted_y));
}
