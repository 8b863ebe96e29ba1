/*
 * The model library of a simulated Panda: what LoadModelLibrary sends and libfranka opens.
 *
 * Kinematics: modified (Craig) Denavit-Hartenberg parameters, as Franka publishes them.
 * Dynamics: recursive Newton-Euler (Luh, Walker, Paul 1980). Gravity enters as an acceleration of the base.
 *
 * The file "links.h" is generated from the simulated arm. It defines, for links 1 to 7 in their own frames:
 *   MASS[7] [kg], CENTRE[7][3] [m], INERTIA[7][3][3] [kg m^2] about the centre.
 * The links do not contain the hand: mass, centre and inertia of hand and load come with each call, in flange axes.
 *
 * Every matrix that enters or leaves is stored by columns. Angles are in rad, Jacobians have their linear rows first.
 */
#include <math.h>
#include <string.h>

#include "links.h"

#define EXPORT __attribute__((visibility("default")))
#define JOINTS 7
#define EE 9

typedef double vec[3];
typedef double mat[3][3];

typedef struct {
  mat R;
  vec p;
} pose;

typedef struct {
  double mass;
  vec centre;
  mat inertia;
} body;

/* a [m], cos(alpha), sin(alpha), d [m] of joints 1 to 7; alpha is a multiple of 90 degrees. */
static const double DH[JOINTS][4] = {
    {0.0, 1, 0, 0.333},      {0.0, 0, -1, 0.0},  {0.0, 0, 1, 0.316},   {0.0825, 0, 1, 0.0},
    {-0.0825, 0, -1, 0.384}, {0.0, 0, 1, 0.0},   {0.088, 0, 1, 0.0},
};
static const double FLANGE_Z = 0.107; /* m */

static void cross(const vec a, const vec b, vec out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

static void times(const mat R, const vec v, vec out) {
  for (int i = 0; i < 3; i++) out[i] = R[i][0] * v[0] + R[i][1] * v[1] + R[i][2] * v[2];
}

static void times_transposed(const mat R, const vec v, vec out) {
  for (int i = 0; i < 3; i++) out[i] = R[0][i] * v[0] + R[1][i] * v[1] + R[2][i] * v[2];
}

/* Pose of link i (0 to 6) in the frame of the link before it. */
static void link_pose(int i, double q, pose *T) {
  const double a = DH[i][0], ca = DH[i][1], sa = DH[i][2], d = DH[i][3], c = cos(q), s = sin(q);
  const pose result = {
      {{c, -s, 0}, {s * ca, c * ca, -sa}, {s * sa, c * sa, ca}},
      {a, -sa * d, ca * d},
  };
  *T = result;
}

static void compose(const pose *A, const pose *B, pose *out) {
  pose result;
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++)
      result.R[i][j] = A->R[i][0] * B->R[0][j] + A->R[i][1] * B->R[1][j] + A->R[i][2] * B->R[2][j];
  }
  times(A->R, B->p, result.p);
  for (int i = 0; i < 3; i++) result.p[i] += A->p[i];
  *out = result;
}

static void read_pose(const double T[16], pose *out) {
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) out->R[i][j] = T[4 * j + i];
    out->p[i] = T[12 + i];
  }
}

/* Poses of links 1 to `frame` in the base frame; frame 8 is the flange, 9 the end effector. */
static void forward(int frame, const double *q, const double *F_T_EE, pose T[EE]) {
  for (int i = 0; i < frame; i++) {
    pose step = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {0, 0, 0}};
    if (i < JOINTS)
      link_pose(i, q[i], &step);
    else if (i == JOINTS)
      step.p[2] = FLANGE_Z;
    else
      read_pose(F_T_EE, &step);
    if (i == 0)
      T[0] = step;
    else
      compose(&T[i - 1], &step, &T[i]);
  }
}

static void write_pose(int frame, const double *q, const double *F_T_EE, double out[16]) {
  pose T[EE];
  forward(frame, q, F_T_EE, T);
  memset(out, 0, 16 * sizeof(double));
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) out[4 * j + i] = T[frame - 1].R[i][j];
    out[12 + i] = T[frame - 1].p[i];
  }
  out[15] = 1.0;
}

/* Geometric Jacobian of a frame's origin; in the base frame, or, where `in_body`, in the frame's own axes. */
static void write_jacobian(int frame, const double *q, const double *F_T_EE, int in_body, double out[42]) {
  static const double nowhere[JOINTS] = {0};
  pose T[EE];
  forward(frame, q ? q : nowhere, F_T_EE, T);
  const pose *end = &T[frame - 1];
  memset(out, 0, 42 * sizeof(double));
  for (int j = 0; j < JOINTS && j < frame; j++) {
    const vec axis = {T[j].R[0][2], T[j].R[1][2], T[j].R[2][2]};
    const vec arm = {end->p[0] - T[j].p[0], end->p[1] - T[j].p[1], end->p[2] - T[j].p[2]};
    vec linear;
    cross(axis, arm, linear);
    if (in_body) {
      times_transposed(end->R, linear, out + 6 * j);
      times_transposed(end->R, axis, out + 6 * j + 3);
    } else {
      memcpy(out + 6 * j, linear, sizeof(vec));
      memcpy(out + 6 * j + 3, axis, sizeof(vec));
    }
  }
}

/* Link 7 with what hangs on the flange: one body, in the axes of link 7. */
static void last_link(const double I[9], double m, const double F_x_C[3], body *out) {
  const double total = MASS[6] + m;
  const vec there = {F_x_C[0], F_x_C[1], F_x_C[2] + FLANGE_Z};
  out->mass = total;
  for (int i = 0; i < 3; i++)
    out->centre[i] = total > 0 ? (MASS[6] * CENTRE[6][i] + m * there[i]) / total : 0.0;
  double a[3], b[3], aa = 0, bb = 0;
  for (int i = 0; i < 3; i++) {
    a[i] = CENTRE[6][i] - out->centre[i];
    b[i] = there[i] - out->centre[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      const double same = i == j;
      const double hung = m > 0 ? I[3 * j + i] : 0.0;
      out->inertia[i][j] = INERTIA[6][i][j] + MASS[6] * (aa * same - a[i] * a[j]) + hung + m * (bb * same - b[i] * b[j]);
    }
}

/* Joint torques for a motion: the base accelerates by `base` [m/s^2], in its own axes. */
static void newton_euler(const double *q, const double *dq, const double *ddq, const vec base, const body *last,
                         double tau[JOINTS]) {
  pose T[JOINTS];
  vec force[JOINTS], moment[JOINTS];
  vec w = {0, 0, 0}, dw = {0, 0, 0}, a = {base[0], base[1], base[2]};
  for (int i = 0; i < JOINTS; i++) {
    link_pose(i, q[i], &T[i]);
    vec t, u, w_before, a_before;
    cross(dw, T[i].p, t);
    cross(w, T[i].p, u);
    vec centripetal;
    cross(w, u, centripetal);
    for (int k = 0; k < 3; k++) a_before[k] = a[k] + t[k] + centripetal[k];
    times_transposed(T[i].R, a_before, a);
    times_transposed(T[i].R, w, w_before);
    times_transposed(T[i].R, dw, t);
    const vec spin = {0, 0, dq[i]};
    cross(w_before, spin, u);
    for (int k = 0; k < 3; k++) {
      w[k] = w_before[k];
      dw[k] = t[k] + u[k];
    }
    w[2] += dq[i];
    dw[2] += ddq[i];

    const double mass = i == 6 ? last->mass : MASS[i];
    const double *centre = i == 6 ? last->centre : CENTRE[i];
    const double(*inertia)[3] = i == 6 ? last->inertia : INERTIA[i];
    cross(dw, centre, t);
    cross(w, centre, u);
    cross(w, u, centripetal);
    for (int k = 0; k < 3; k++) force[i][k] = mass * (a[k] + t[k] + centripetal[k]);
    times(inertia, w, t);
    cross(w, t, u);
    times(inertia, dw, t);
    vec lever;
    cross(centre, force[i], lever);
    for (int k = 0; k < 3; k++) moment[i][k] = t[k] + u[k] + lever[k];
  }
  for (int i = JOINTS - 1; i >= 0; i--) {
    tau[i] = moment[i][2];
    if (i == 0) break;
    vec f, n, lever;
    times(T[i].R, force[i], f);
    times(T[i].R, moment[i], n);
    cross(T[i].p, f, lever);
    for (int k = 0; k < 3; k++) {
      force[i - 1][k] += f[k];
      moment[i - 1][k] += n[k] + lever[k];
    }
  }
}

EXPORT void M_NE(const double *q, const double *I, double m, const double *F_x_C, double *out) {
  const double zero[JOINTS] = {0};
  const vec still = {0, 0, 0};
  body last;
  last_link(I, m, F_x_C, &last);
  for (int j = 0; j < JOINTS; j++) {
    double unit[JOINTS] = {0};
    unit[j] = 1.0;
    newton_euler(q, zero, unit, still, &last, out + JOINTS * j);
  }
}

EXPORT void c_NE(const double *q, const double *dq, const double *I, double m, const double *F_x_C, double *out) {
  const double zero[JOINTS] = {0};
  const vec still = {0, 0, 0};
  body last;
  last_link(I, m, F_x_C, &last);
  newton_euler(q, dq, zero, still, &last, out);
}

EXPORT void g_NE(const double *q, const double *g_earth, double m, const double *F_x_C, double *out) {
  const double zero[JOINTS] = {0}, no_inertia[9] = {0};
  const vec up = {-g_earth[0], -g_earth[1], -g_earth[2]};
  body last;
  last_link(no_inertia, m, F_x_C, &last);
  newton_euler(q, zero, zero, up, &last, out);
}

EXPORT void O_J_J1(double *out) { write_jacobian(1, 0, 0, 0, out); }
EXPORT void Ji_J_J1(double *out) { write_jacobian(1, 0, 0, 1, out); }

#define OF_A_JOINT(n)                                                                         \
  EXPORT void O_T_J##n(const double *q, double *out) { write_pose(n, q, 0, out); }            \
  EXPORT void O_J_J##n(const double *q, double *out) { write_jacobian(n, q, 0, 0, out); }     \
  EXPORT void Ji_J_J##n(const double *q, double *out) { write_jacobian(n, q, 0, 1, out); }

EXPORT void O_T_J1(const double *q, double *out) { write_pose(1, q, 0, out); }
OF_A_JOINT(2)
OF_A_JOINT(3)
OF_A_JOINT(4)
OF_A_JOINT(5)
OF_A_JOINT(6)
OF_A_JOINT(7)
OF_A_JOINT(8)

EXPORT void O_T_J9(const double *q, const double *F_T_EE, double *out) { write_pose(EE, q, F_T_EE, out); }
EXPORT void O_J_J9(const double *q, const double *F_T_EE, double *out) { write_jacobian(EE, q, F_T_EE, 0, out); }
EXPORT void Ji_J_J9(const double *q, const double *F_T_EE, double *out) { write_jacobian(EE, q, F_T_EE, 1, out); }
