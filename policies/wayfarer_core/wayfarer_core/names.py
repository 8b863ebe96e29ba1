"""Relative names of all topics, services, actions and frames of the contract."""

BASE_FRAME = "base"  # origin of the robot's link 0; x forward, z up (REP-103)
# the same frame by Franka's own names, which CRISP publishes
BASE_FRAMES = (BASE_FRAME, "fr3_link0", "panda_link0")
CAMERA_FRAME = "camera_optical_frame"  # z forward, y down (REP-103)
WRIST_FRAME = "wrist_optical_frame"  # of the camera in the hand, if there is one
END_EFFECTOR_FRAME = "end_effector"  # the controlled point; robot/current_pose is its pose

OBSERVATION_SIZE = 84  # pixels, width and height of an observation

CAMERA_IMAGE = "camera/image_raw"
CAMERA_INFO = "camera/camera_info"
CAMERA_FAULT = "camera/fault"
OBSERVATION_IMAGE = "observation/image"
WRIST_IMAGE = "wrist/image_raw"
WRIST_INFO = "wrist/camera_info"
WRIST_FAULT = "wrist/fault"
WRIST_OBSERVATION = "observation/wrist"
POLICY_ACTION = "policy/action"
EXECUTED = "control/executed"
CONTROL_FAULT = "control/fault"
TARGET_POSE = "robot/target_pose"
TARGET_GRIPPER = "robot/target_gripper"
ACKNOWLEDGEMENT = "robot/acknowledgement"
CURRENT_POSE = "robot/current_pose"
JOINT_STATES = "robot/joint_states"
ROBOT_STATE = "robot/robot_state"
OBJECT_POSE = "sim/object_pose"
NOVELTY_SCORE = "novelty/score"
NOVELTY_GOAL = "novelty/goal"
GOAL_POSITION = "novelty/goal_position"
WEIGHTS = "learner/weights"
REPLAY_EPISODE = "replay/episode"
COLLECTOR_STATUS = "collector/status"
TELEOP_COMMAND = "teleop/command"
TF = "/tf"  # this and the next are global: they have no namespace
TF_STATIC = "/tf_static"
MARKERS = "view/markers"

RESET = "robot/reset"  # wayfarer_msgs/srv/Reset
BEGIN_EPISODE = "replay/begin_episode"  # wayfarer_msgs/srv/BeginEpisode
END_EPISODE = "replay/end_episode"  # wayfarer_msgs/srv/EndEpisode
RUN_EPISODE = "policy/run_episode"  # wayfarer_msgs/action/RunEpisode
SELECT_GOAL = "novelty/select_goal"  # wayfarer_msgs/srv/SelectGoal
FIT_NOVELTY = "novelty/fit"  # wayfarer_msgs/action/FitNovelty
TRAIN = "learner/train"  # wayfarer_msgs/action/Train
ERROR_RECOVERY = "robot/error_recovery"  # franka_msgs/action/ErrorRecovery
HOLD = "control/hold"  # std_srvs/srv/Trigger: stop here and stay
RELEASE = "control/release"  # std_srvs/srv/Trigger: take actions again
# std_srvs/srv/SetBool; true: hold here while somebody resets the scene; false: go on
SCENE = "control/scene"
PAUSE = "collector/pause"  # std_srvs/srv/Trigger
RESUME = "collector/resume"  # std_srvs/srv/Trigger
STOP = "collector/stop"  # std_srvs/srv/Trigger
